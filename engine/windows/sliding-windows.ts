import { WINDOWS_PER_KEY_MAX } from "../../rule-language/spec/window-cost.ts";
import { Accumulators, NOT_EMITTED } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
import { RecordPool } from "./record-pool.ts";
import { type Instant, SlidingMerge } from "./sliding-merge.ts";
import {
  CORRECTION_WAIT_US,
  type Fate,
  LATE_APPLIED,
  LATE_DROPPED,
  ON_TIME,
  type OnWindow,
  SIZES_RETAINED,
  type WindowOptions,
  type Windows,
} from "./windows.ts";

export interface SlidingOptions extends WindowOptions {
  readonly sizeUs: number;
}

const CORRECT_BY = OWN;
const DIRTY_END = OWN + 1;
const OWN_COLUMNS = 2;
/** Remove instants in batches, because moving the others is expensive. */
const FORGET_AT_LEAST = 32;

interface KeyInstants {
  readonly instants: Instant[];
  /** The first instant whose window is still open. */
  next: number;
  readonly merge: SlidingMerge;
  /** The newest reading that is no longer in `instants`. */
  left: Point | undefined;
}

/** One window per observation time of a key. The window ends with that time. */
export class SlidingWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: SlidingOptions;
  readonly #onWindow: OnWindow;
  /** How far the watermark must be past its last instant before a window closes. */
  readonly #slackUs: number;
  readonly #keys: KeyClocks;
  readonly #byKey: KeyInstants[] = [];

  constructor(options: SlidingOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.#slackUs = options.oneSeriesPerKey ? 0 : 1;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
    this.#keys = new KeyClocks(OWN_COLUMNS, options.latenessUs);
  }

  addKey(key: number): void {
    this.#keys.begin(key);
    const instants: Instant[] = [];
    const merge = new SlidingMerge(this.#pool, instants, this.#options.sizeUs);
    this.#byKey[key] = { instants, next: 0, merge, left: undefined };
  }

  freeKey(key: number): void {
    const { instants } = this.#byKey[key] as KeyInstants;
    for (const instant of instants) this.#releaseInstant(instant);
    this.addKey(key);
  }

  watermarkUs(key: number): number {
    return this.#keys.watermarkUs(key);
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if (atUs + 1 <= (keys[o + WATERMARK] as number)) return this.#addLate(key, atUs, value, text, nowUs);
    const state = this.#byKey[key] as KeyInstants;
    const isFull = !this.#hasRoom(state, atUs);
    if (!isFull) {
      const instant = state.instants[this.#place(state, atUs)] as Instant;
      this.accumulators.add(instant.record, atUs, value, text);
      keys[o + NEXT] = this.#nextClose(key);
    }
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      const watermarkUs = atUs - this.#options.latenessUs;
      if (watermarkUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, watermarkUs);
    }
    return isFull ? LATE_DROPPED : ON_TIME;
  }

  dueUs(key: number): number {
    const correctUs = this.#keys.cells[key * this.#keys.stride + CORRECT_BY] as number;
    return Math.min(this.#keys.idleDueUs(key), correctUs);
  }

  advance(key: number, dueUs: number): void {
    const { cells, stride } = this.#keys;
    const o = key * stride;
    if ((cells[o + CORRECT_BY] as number) <= dueUs) this.#emitCorrections(key);
    if (this.#keys.idleDueUs(key) <= dueUs) this.#moveTo(key, cells[o + NEXT] as number);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    this.#keys.snapshot(to);
    yield* this.#pool.snapshot(to);
    for (const { instants, next, merge, left } of this.#byKey) {
      to.value({ instants, next, merge: merge.snapshot(), ...(left && { left }) });
      yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.#keys.restore(from);
    this.#pool.restore(from);
    while (this.#byKey.length < this.#keys.size) {
      const saved = from.value<{ instants: Instant[]; next: number; merge: readonly number[]; left?: Point }>();
      const { instants, next, left } = saved;
      const merge = new SlidingMerge(this.#pool, instants, this.#options.sizeUs, saved.merge);
      this.#byKey.push({ instants, next, merge, left });
    }
  }

  #nextClose(key: number): number {
    const { instants, next } = this.#byKey[key] as KeyInstants;
    const instant = instants[next];
    return instant === undefined ? Number.POSITIVE_INFINITY : instant.atUs + this.#slackUs;
  }

  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs } = this.#options;
    const state = this.#byKey[key] as KeyInstants;
    const forgottenUs = Math.max(watermarkUs, this.#lastEnd(state, watermarkUs)) - SIZES_RETAINED * sizeUs;
    if ((keys[o + DIRTY_END] as number) <= forgottenUs) this.#emitCorrections(key);
    while ((keys[o + NEXT] as number) <= watermarkUs) {
      const instant = state.instants[state.next] as Instant;
      keys[o + WATERMARK] = instant.atUs + 1;
      this.#emit(key, state.next, state.merge.close(state.next));
      state.next++;
      keys[o + NEXT] = this.#nextClose(key);
    }
    if (watermarkUs > (keys[o + WATERMARK] as number)) keys[o + WATERMARK] = watermarkUs;
    this.#forget(state, forgottenUs - sizeUs);
  }

  /** The end of the last window that this watermark closes. */
  #lastEnd({ instants, next }: KeyInstants, watermarkUs: number): number {
    let endUs = Number.NEGATIVE_INFINITY;
    for (let place = next; place < instants.length; place++) {
      const { atUs } = instants[place] as Instant;
      if (atUs + this.#slackUs > watermarkUs) break;
      endUs = atUs + 1;
    }
    return endUs;
  }

  #emit(key: number, place: number, record: number): void {
    const { accumulators } = this;
    const { instants, left, merge } = this.#byKey[key] as KeyInstants;
    const instant = instants[place] as Instant;
    if (accumulators.plan.keepsLast) {
      const before = instants[merge.firstOf(place) - 1];
      accumulators.before = before === undefined ? left : accumulators.lastPoint(before.record);
    }
    instant.revision++;
    instant.dirty = false;
    const endUs = instant.atUs + 1;
    this.#onWindow(key, endUs - this.#options.sizeUs, endUs, instant.revision, record);
  }

  #addLate(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs, late } = this.#options;
    const state = this.#byKey[key] as KeyInstants;
    const watermarkUs = keys[o + WATERMARK] as number;
    const forgottenUs = late === "drop" ? Number.POSITIVE_INFINITY : watermarkUs - SIZES_RETAINED * sizeUs;
    const corrects = (instant: Instant) => instant.atUs + 1 > forgottenUs && instant.atUs < atUs + sizeUs;
    const first = this.#firstAt(state, atUs);
    const after = state.instants.slice(first, state.next);
    const isHeldOpen = (state.instants[state.next]?.atUs ?? Number.POSITIVE_INFINITY) < atUs + sizeUs;
    if (atUs + 1 <= forgottenUs && !isHeldOpen && !after.some(corrects)) return LATE_DROPPED;
    if (!this.#hasRoom(state, atUs)) return LATE_DROPPED;
    const known = state.instants.length;
    const instant = state.instants[this.#place(state, atUs)] as Instant;
    const isNew = state.instants.length > known;
    if (isNew) state.next++;
    this.accumulators.add(instant.record, atUs, value, text);
    state.merge.changed(first, isNew);
    // Windows that begin between this reading and the next one get another value from before.
    const nextUs = this.accumulators.plan.keepsLast ? (after.find(({ atUs: at }) => at > atUs)?.atUs ?? atUs) : atUs;
    for (const other of [instant, ...after]) {
      if (other.atUs + 1 <= forgottenUs || other.atUs >= nextUs + sizeUs) continue;
      other.dirty = true;
      if (keys[o + CORRECT_BY] === Number.POSITIVE_INFINITY) keys[o + CORRECT_BY] = nowUs + CORRECTION_WAIT_US;
      keys[o + DIRTY_END] = Math.min(keys[o + DIRTY_END] as number, other.atUs + 1);
    }
    return late === "update" ? LATE_APPLIED : ON_TIME;
  }

  #emitCorrections(key: number): void {
    const { cells, stride } = this.#keys;
    const o = key * stride;
    const state = this.#byKey[key] as KeyInstants;
    const { instants, next, merge } = state;
    const firstUs = (cells[o + DIRTY_END] as number) - 1;
    cells[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    cells[o + DIRTY_END] = Number.POSITIVE_INFINITY;
    // One pass over all, because merging each window alone takes quadratic time.
    let pass: SlidingMerge | undefined;
    for (let place = this.#firstAt(state, firstUs); place < next; place++) {
      if (instants[place]?.dirty !== true) continue;
      const record = pass === undefined ? merge.window(place, next - 1) : -1;
      if (record === -1) pass ??= new SlidingMerge(this.#pool, instants, this.#options.sizeUs);
      this.#emit(key, place, pass === undefined ? record : pass.close(place));
    }
    // The pass has used the records of the instants.
    if (pass !== undefined) merge.invalidate();
  }

  /** A new instant must fit; a known one takes any number of readings. */
  #hasRoom(state: KeyInstants, atUs: number): boolean {
    return state.instants.length < WINDOWS_PER_KEY_MAX || state.instants[this.#firstAt(state, atUs)]?.atUs === atUs;
  }

  /** The index of the first instant at or after a time. */
  #firstAt({ instants }: KeyInstants, atUs: number): number {
    let place = instants.length;
    while (place > 0 && (instants[place - 1] as Instant).atUs >= atUs) place--;
    return place;
  }

  /** The index of the instant; inserts it if missing. */
  #place(state: KeyInstants, atUs: number): number {
    const place = this.#firstAt(state, atUs);
    if (state.instants[place]?.atUs === atUs) return place;
    state.instants.splice(place, 0, {
      atUs,
      record: this.#pool.take(),
      suffix: -1,
      revision: NOT_EMITTED,
      dirty: false,
    });
    return place;
  }

  #forget(state: KeyInstants, atUs: number): void {
    const { instants, merge } = state;
    let gone = 0;
    while (gone < state.next && (instants[gone] as Instant).atUs <= atUs) gone++;
    if (gone < FORGET_AT_LEAST) return;
    if (this.accumulators.plan.keepsLast)
      state.left = this.accumulators.lastPoint((instants[gone - 1] as Instant).record);
    for (const instant of instants.splice(0, gone)) this.#releaseInstant(instant);
    state.next -= gone;
    merge.shifted(gone);
  }

  #releaseInstant({ record, suffix }: Instant): void {
    this.#pool.release(record);
    if (suffix !== -1) this.#pool.release(suffix);
  }
}
