import { Accumulators } from "../aggregates/accumulators.ts";
import type { SnapshotReader, SnapshotWriter } from "../snapshot-io.ts";
import { RecordPool } from "./record-pool.ts";
import { type Fate, LATE_DROPPED, ON_TIME, type OnWindow, type WindowOptions, type Windows } from "./windows.ts";

export interface CountOptions extends WindowOptions {
  readonly count: number;
}

const NEWEST = 0;
const ARRIVED = 1;
const WATERMARK = 2;
/** The watermark at which the next instant is taken in. */
const NEXT_TAKE = 3;
/** The window that fills: its record, its first instant, and the newest that was taken in. */
const RECORD = 4;
const FIRST = 5;
const LAST = 6;
const STRIDE = 7;
const KEYS_PER_PAUSE = 500;

/** All readings of one observation time that wait for the watermark. */
interface Waiting {
  readonly atUs: number;
  readonly record: number;
}

/** Windows of so many consecutive readings in event time. */
export class CountWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: CountOptions;
  readonly #onWindow: OnWindow;
  readonly #slackUs: number;
  #keys = new Float64Array(0);
  readonly #waiting: Waiting[][] = [];

  constructor(options: CountOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.#slackUs = options.oneSeriesPerKey ? 0 : 1;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
  }

  addKey(): number {
    const key = this.#waiting.push([]) - 1;
    if ((key + 1) * STRIDE > this.#keys.length) {
      const more = new Float64Array(Math.max(4 * STRIDE, Math.ceil(this.#keys.length * 1.5)));
      more.set(this.#keys);
      this.#keys = more;
    }
    const o = key * STRIDE;
    this.#keys[o + NEWEST] = Number.NEGATIVE_INFINITY;
    this.#keys[o + ARRIVED] = 0;
    this.#keys[o + WATERMARK] = Number.NEGATIVE_INFINITY;
    this.#keys[o + NEXT_TAKE] = Number.POSITIVE_INFINITY;
    this.#keys[o + RECORD] = this.#pool.take();
    this.#keys[o + LAST] = Number.NEGATIVE_INFINITY;
    return key;
  }

  watermarkUs(key: number): number {
    return this.#keys[key * STRIDE + WATERMARK] as number;
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const keys = this.#keys;
    const o = key * STRIDE;
    if (atUs <= (keys[o + LAST] as number)) return LATE_DROPPED;
    const waiting = this.#waiting[key] as Waiting[];
    let place = waiting.length;
    while (place > 0 && (waiting[place - 1] as Waiting).atUs >= atUs) place--;
    if (waiting[place]?.atUs !== atUs) waiting.splice(place, 0, { atUs, record: this.#pool.take() });
    this.accumulators.add((waiting[place] as Waiting).record, atUs, value, text);
    keys[o + NEXT_TAKE] = (waiting[0] as Waiting).atUs + this.#slackUs;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      const watermarkUs = atUs - this.#options.latenessUs;
      if (watermarkUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, watermarkUs);
    }
    return ON_TIME;
  }

  dueUs(key: number): number {
    const keys = this.#keys;
    const o = key * STRIDE;
    const { latenessUs } = this.#options;
    return (keys[o + NEXT_TAKE] as number) + latenessUs - (keys[o + NEWEST] as number) + (keys[o + ARRIVED] as number);
  }

  advance(key: number, dueUs: number): void {
    if (this.dueUs(key) <= dueUs) this.#moveTo(key, this.#keys[key * STRIDE + NEXT_TAKE] as number);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.doubles(this.#keys.subarray(0, this.#waiting.length * STRIDE));
    yield* this.#pool.snapshot(to);
    for (const [key, waiting] of this.#waiting.entries()) {
      to.value(waiting);
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.#keys = from.doubles();
    this.#pool.restore(from);
    while (this.#waiting.length < this.#keys.length / STRIDE) this.#waiting.push(from.value<Waiting[]>());
  }

  #moveTo(key: number, watermarkUs: number): void {
    const keys = this.#keys;
    const o = key * STRIDE;
    const waiting = this.#waiting[key] as Waiting[];
    let taken = 0;
    while ((keys[o + NEXT_TAKE] as number) <= watermarkUs) {
      this.#take(key, waiting[taken++] as Waiting);
      const next = waiting[taken];
      keys[o + NEXT_TAKE] = next === undefined ? Number.POSITIVE_INFINITY : next.atUs + this.#slackUs;
    }
    waiting.splice(0, taken);
    if (watermarkUs > (keys[o + WATERMARK] as number)) keys[o + WATERMARK] = watermarkUs;
  }

  #take(key: number, { atUs, record }: Waiting): void {
    const keys = this.#keys;
    const o = key * STRIDE;
    const filling = keys[o + RECORD] as number;
    if (this.accumulators.count(filling) === 0) keys[o + FIRST] = atUs;
    keys[o + LAST] = atUs;
    this.accumulators.merge(filling, record);
    this.#pool.release(record);
    if (this.accumulators.count(filling) < this.#options.count) return;
    this.#onWindow(key, keys[o + FIRST] as number, atUs + 1, 0, filling);
    this.accumulators.clear(filling, 0);
  }
}
