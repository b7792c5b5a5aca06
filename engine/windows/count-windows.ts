import { WINDOWS_PER_KEY_MAX } from "../../rule-language/spec/window-cost.ts";
import { Accumulators } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
import { RecordPool } from "./record-pool.ts";
import { type Fate, LATE_DROPPED, ON_TIME, type OnWindow, type WindowOptions, type Windows } from "./windows.ts";

export interface CountOptions extends WindowOptions {
  readonly count: number;
  /** After how many readings a window ends; undefined: each reading is in one window. */
  readonly step: number | undefined;
}

/** The window that is filling: its record, its first instant and its newest instant. */
const RECORD = OWN;
const FIRST = OWN + 1;
const LAST = OWN + 2;
const OWN_COLUMNS = 3;
const KEYS_PER_PAUSE = 500;

/** All readings of one observation time, until the watermark passes it. */
interface Waiting {
  readonly atUs: number;
  readonly record: number;
}

/** The latest readings of a key whose windows overlap. */
interface Latest {
  readonly instants: Waiting[];
  /** The readings of these instants. */
  readings: number;
  /** The readings since the last window ended. */
  since: number;
}

/** Windows of `count` consecutive readings in event time. */
export class CountWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: CountOptions;
  readonly #onWindow: OnWindow;
  readonly #slackUs: number;
  readonly #keys: KeyClocks;
  readonly #waiting: Waiting[][] = [];
  /** By key: the newest reading of the windows that are complete. */
  readonly #left: (Point | undefined)[] = [];
  /** By key, if windows overlap. */
  readonly #latest: Latest[] = [];

  constructor(options: CountOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.#slackUs = options.oneSeriesPerKey ? 0 : 1;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
    this.#keys = new KeyClocks(OWN_COLUMNS, options.latenessUs);
  }

  addKey(key: number): void {
    this.#waiting[key] = [];
    this.#left[key] = undefined;
    this.#latest[key] = { instants: [], readings: 0, since: 0 };
    this.#keys.begin(key);
    const { cells, stride } = this.#keys;
    cells[key * stride + RECORD] = this.#pool.take();
    cells[key * stride + LAST] = Number.NEGATIVE_INFINITY;
  }

  freeKey(key: number): void {
    for (const { record } of this.#waiting[key] as Waiting[]) this.#pool.release(record);
    for (const { record } of (this.#latest[key] as Latest).instants) this.#pool.release(record);
    this.#latest[key] = { instants: [], readings: 0, since: 0 };
    this.#waiting[key] = [];
    const { cells, stride } = this.#keys;
    this.#pool.release(cells[key * stride + RECORD] as number);
    this.#keys.begin(key);
  }

  watermarkUs(key: number): number {
    return this.#keys.watermarkUs(key);
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if (atUs <= (keys[o + LAST] as number)) return LATE_DROPPED;
    const waiting = this.#waiting[key] as Waiting[];
    let place = waiting.length;
    while (place > 0 && (waiting[place - 1] as Waiting).atUs >= atUs) place--;
    const isNew = waiting[place]?.atUs !== atUs;
    const isFull = isNew && waiting.length >= WINDOWS_PER_KEY_MAX;
    if (isNew && !isFull) waiting.splice(place, 0, { atUs, record: this.#pool.take() });
    if (!isFull) this.accumulators.add((waiting[place] as Waiting).record, atUs, value, text);
    keys[o + NEXT] = (waiting[0] as Waiting).atUs + this.#slackUs;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      const watermarkUs = atUs - this.#options.latenessUs;
      if (watermarkUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, watermarkUs);
    }
    return isFull ? LATE_DROPPED : ON_TIME;
  }

  dueUs(key: number): number {
    return this.#keys.idleDueUs(key);
  }

  advance(key: number, dueUs: number): void {
    const { cells, stride } = this.#keys;
    if (this.dueUs(key) <= dueUs) this.#moveTo(key, cells[key * stride + NEXT] as number);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    this.#keys.snapshot(to);
    yield* this.#pool.snapshot(to);
    for (const [key, waiting] of this.#waiting.entries()) {
      to.value(waiting);
      if (this.accumulators.plan.keepsLast) to.value(this.#left[key] ?? null);
      if (this.#options.step !== undefined) to.value(this.#latest[key]);
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.#keys.restore(from);
    this.#pool.restore(from);
    while (this.#waiting.length < this.#keys.size) {
      this.#waiting.push(from.value<Waiting[]>());
      // No version before this plan existed has stored such windows.
      if (this.accumulators.plan.keepsLast) this.#left.push(from.value<Point | null>() ?? undefined);
      this.#latest.push(
        this.#options.step === undefined ? { instants: [], readings: 0, since: 0 } : from.value<Latest>(),
      );
    }
  }

  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const waiting = this.#waiting[key] as Waiting[];
    let taken = 0;
    while ((keys[o + NEXT] as number) <= watermarkUs) {
      this.#take(key, waiting[taken++] as Waiting);
      const next = waiting[taken];
      keys[o + NEXT] = next === undefined ? Number.POSITIVE_INFINITY : next.atUs + this.#slackUs;
    }
    waiting.splice(0, taken);
    if (watermarkUs > (keys[o + WATERMARK] as number)) keys[o + WATERMARK] = watermarkUs;
  }

  #take(key: number, instant: Waiting): void {
    if (this.#options.step !== undefined) this.#takeLatest(key, instant, this.#options.step);
    else this.#fill(key, instant);
  }

  /** Keeps the fewest of the latest instants that together have enough readings. */
  #takeLatest(key: number, instant: Waiting, step: number): void {
    const { accumulators } = this;
    const latest = this.#latest[key] as Latest;
    const { instants } = latest;
    const taken = accumulators.count(instant.record);
    this.#keys.cells[key * this.#keys.stride + LAST] = instant.atUs;
    instants.push(instant);
    latest.readings += taken;
    latest.since += taken;
    for (let [first] = instants; first !== undefined; [first] = instants) {
      const others = latest.readings - accumulators.count(first.record);
      if (others < this.#options.count) break;
      latest.readings = others;
      if (accumulators.plan.keepsLast) this.#left[key] = accumulators.lastPoint(first.record);
      this.#pool.release(first.record);
      instants.shift();
    }
    if (latest.readings < this.#options.count || latest.since < step) return;
    latest.since = 0;
    accumulators.clear(0, 0);
    for (const { record } of instants) accumulators.merge(0, record);
    accumulators.before = this.#left[key];
    this.#onWindow(key, (instants[0] as Waiting).atUs, instant.atUs + 1, 0, 0);
  }

  #fill(key: number, { atUs, record }: Waiting): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const filling = keys[o + RECORD] as number;
    if (this.accumulators.count(filling) === 0) keys[o + FIRST] = atUs;
    keys[o + LAST] = atUs;
    this.accumulators.merge(filling, record);
    this.#pool.release(record);
    if (this.accumulators.count(filling) < this.#options.count) return;
    if (this.accumulators.plan.keepsLast) this.accumulators.before = this.#left[key];
    this.#onWindow(key, keys[o + FIRST] as number, atUs + 1, 0, filling);
    if (this.accumulators.plan.keepsLast) this.#left[key] = this.accumulators.lastPoint(filling);
    this.accumulators.clear(filling, 0);
  }
}
