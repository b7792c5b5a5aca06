import { Accumulators, NOT_EMITTED, REVISION } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import { NEEDS_COURSE } from "../aggregates/state-groups.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import type { FillBudget } from "../state/step-context.ts";
import { EndSpans } from "./end-spans.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
import { type OldFilledKey, readOldFilled } from "./old-filled-windows.ts";
import { RecordPool } from "./record-pool.ts";
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

export interface FilledOptions extends WindowOptions {
  readonly sizeUs: number;
  /** For how long after a reading windows without readings repeat its value. */
  readonly fillForUs: number;
  readonly fillBudget: FillBudget;
}

const CORRECT_BY = OWN;
/** The end of the newest window that was emitted in order; -Infinity before the first. */
const EMITTED = OWN + 1;
const OWN_COLUMNS = 2;
const KEYS_PER_PAUSE = 500;
/** In a snapshot, in the place of the number of cells, which older versions began with. */
const SNAPSHOT_VERSION = -1;
/** The maximum number of windows without readings that a key emits at once. */
const FILLED_MAX = 10_000;

/** A window with readings. */
interface Held {
  readonly startUs: number;
  readonly record: number;
  /** The time of its newest reading. */
  lastUs: number;
}

interface FilledKey {
  /** Windows with readings that are open or retained, earliest first. */
  held: Held[];
  /** The newest reading of the windows that are no longer held. */
  left: Point | undefined;
  /** The ends of the windows that have been emitted and can still be corrected. */
  emitted: EndSpans;
  /** The ends of the windows whose correction waits. */
  dirty: EndSpans;
  /** By end: the last revision of windows without readings, if it is not 0. */
  revisions: Map<number, number>;
}

/**
 * ADR 32. Tumbling windows in which a window without readings repeats the value before it. Idleness emits windows, but
 * does not move the watermark: a reading that was only slow is never late, and corrects what was made up meanwhile.
 */
export class FilledWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: FilledOptions;
  readonly #onWindow: OnWindow;
  readonly #keys: KeyClocks;
  readonly #byKey: FilledKey[] = [];

  constructor(options: FilledOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
    this.#keys = new KeyClocks(OWN_COLUMNS, options.latenessUs);
  }

  addKey(key: number): void {
    this.#keys.begin(key);
    this.#keys.cells[key * this.#keys.stride + EMITTED] = Number.NEGATIVE_INFINITY;
    this.#byKey[key] = newKey(this.#options.sizeUs);
  }

  freeKey(key: number): void {
    for (const { record } of this.#at(key).held) this.#pool.release(record);
    this.addKey(key);
  }

  watermarkUs(key: number): number {
    return this.#keys.watermarkUs(key);
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs, latenessUs, late } = this.#options;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      if (atUs - latenessUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, atUs - latenessUs);
    }
    const startUs = Math.floor(atUs / sizeUs) * sizeUs;
    const endUs = startUs + sizeUs;
    const watermarkUs = keys[o + WATERMARK] as number;
    const isLate = endUs <= watermarkUs;
    if (isLate && (late === "drop" || endUs <= watermarkUs - SIZES_RETAINED * sizeUs)) return LATE_DROPPED;
    const state = this.#at(key);
    const held = this.#heldFor(state, startUs);
    const isNewest = atUs >= held.lastUs;
    if (isNewest) held.lastUs = atUs;
    this.accumulators.add(held.record, atUs, value, text);
    if (endUs <= Math.max(watermarkUs, keys[o + EMITTED] as number)) {
      state.dirty.add(endUs, endUs);
      if (isNewest) this.#dirtyAfter(state, startUs);
      if (keys[o + CORRECT_BY] === Number.POSITIVE_INFINITY) keys[o + CORRECT_BY] = nowUs + CORRECTION_WAIT_US;
    }
    keys[o + NEXT] = this.#nextEnd(key);
    return isLate ? LATE_APPLIED : ON_TIME;
  }

  dueUs(key: number): number {
    const correctUs = this.#keys.cells[key * this.#keys.stride + CORRECT_BY] as number;
    return Math.min(this.#keys.idleDueUs(key), correctUs);
  }

  advance(key: number, dueUs: number, nowUs: number): void {
    const { cells, stride } = this.#keys;
    const o = key * stride;
    if ((cells[o + CORRECT_BY] as number) <= dueUs) this.#emitCorrections(key);
    if (this.#keys.idleDueUs(key) > dueUs) return;
    const endUs = cells[o + NEXT] as number;
    // After a long pause, skip the windows that are too many.
    const idleUs = (cells[o + NEWEST] as number) - this.#options.latenessUs + nowUs - (cells[o + ARRIVED] as number);
    cells[o + NEXT] = this.#skipTo(key, endUs, idleUs);
    if (cells[o + NEXT] === endUs) this.#emitNext(key);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(SNAPSHOT_VERSION);
    this.#keys.snapshot(to);
    yield* this.#pool.snapshot(to);
    for (const [key, { held, left, emitted, dirty, revisions }] of this.#byKey.entries()) {
      to.value({ held, left, emitted: emitted.spans, dirty: dirty.spans, revisions });
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    if (from.peekNumber() !== SNAPSHOT_VERSION) {
      this.#restoreOld(from);
      return;
    }
    from.number();
    this.#keys.restore(from);
    this.#pool.restore(from);
    while (this.#byKey.length < this.#keys.size) {
      const saved = from.value<SavedKey>();
      const { sizeUs } = this.#options;
      this.#byKey.push({
        held: saved.held.map((each) => ({ ...each })),
        left: saved.left,
        emitted: new EndSpans(sizeUs, saved.emitted),
        dirty: new EndSpans(sizeUs, saved.dirty),
        revisions: new Map(saved.revisions),
      });
    }
  }

  /** A state of the time when idleness moved the watermark. What it had emitted stays emitted. */
  #restoreOld(from: SnapshotReader): void {
    const all = readOldFilled(from, this.accumulators, this.#options);
    const records = Math.floor(this.accumulators.cells.length / this.accumulators.stride);
    const free = new Set(Array.from({ length: records }, (_, record) => record));
    for (const [key, old] of all.entries()) {
      this.addKey(key);
      if (old.newestUs > Number.NEGATIVE_INFINITY) this.#takeOld(key, old);
      for (const { record } of this.#at(key).held) free.delete(record);
    }
    this.#pool.adopt(records, free);
  }

  #takeOld(key: number, { newestUs, arrivedUs, correctByUs, panes, left }: OldFilledKey): void {
    const { cells, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs, latenessUs } = this.#options;
    const state = this.#at(key);
    state.left = left;
    cells[o + NEWEST] = newestUs;
    cells[o + ARRIVED] = arrivedUs;
    cells[o + WATERMARK] = newestUs - latenessUs;
    cells[o + CORRECT_BY] = correctByUs;
    let emittedUs = Number.NEGATIVE_INFINITY;
    for (const { startUs, record, revision, isDirty, lastUs } of panes) {
      const endUs = startUs + sizeUs;
      if (revision !== NOT_EMITTED) {
        state.emitted.add(endUs, endUs);
        emittedUs = endUs;
      }
      if (isDirty) state.dirty.add(endUs, endUs);
      if (lastUs !== undefined) state.held.push({ startUs, record, lastUs });
      else if (revision > 0) state.revisions.set(endUs, revision);
    }
    cells[o + EMITTED] = emittedUs;
    // Idleness has filled the windows since the newest reading, too, and their records are overwritten.
    const filledUs = (Math.floor(newestUs / sizeUs) + 2) * sizeUs;
    if (filledUs <= emittedUs) state.emitted.add(filledUs, emittedUs);
    cells[o + NEXT] = this.#nextEnd(key);
  }

  #at(key: number): FilledKey {
    return this.#byKey[key] as FilledKey;
  }

  /** Advances the watermark by a reading, and emits the windows that end by then, in order. */
  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const state = this.#at(key);
    const { sizeUs } = this.#options;
    const oldestUs = state.dirty.firstUs;
    const isProvisional = oldestUs > (keys[o + WATERMARK] as number);
    if (oldestUs <= (isProvisional ? watermarkUs : watermarkUs - SIZES_RETAINED * sizeUs)) this.#emitCorrections(key);
    for (;;) {
      const endUs = this.#skipTo(key, keys[o + NEXT] as number, watermarkUs);
      if (endUs > watermarkUs) break;
      keys[o + NEXT] = endUs;
      if (endUs > (keys[o + WATERMARK] as number)) keys[o + WATERMARK] = endUs;
      this.#emitNext(key);
    }
    keys[o + WATERMARK] = watermarkUs;
    this.#forget(state, watermarkUs - SIZES_RETAINED * sizeUs);
  }

  /** Emits the window that ends at NEXT. */
  #emitNext(key: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const endUs = keys[o + NEXT] as number;
    keys[o + EMITTED] = endUs;
    this.#at(key).emitted.add(endUs, endUs);
    this.#emit(key, endUs);
    keys[o + NEXT] = this.#nextEnd(key);
  }

  #emit(key: number, endUs: number): void {
    const { accumulators } = this;
    const state = this.#at(key);
    const startUs = endUs - this.#options.sizeUs;
    const before = this.#readingBefore(state, startUs);
    const held = state.held.find((each) => each.startUs === startUs);
    accumulators.before = before;
    if (held !== undefined) {
      this.#onWindow(key, startUs, endUs, accumulators.revise(held.record), held.record);
      return;
    }
    this.#options.fillBudget.left--;
    const known = state.revisions.get(endUs);
    const revision = known === undefined ? (state.dirty.has(endUs) ? 1 : 0) : known + 1;
    if (revision > 0) state.revisions.set(endUs, revision);
    const record = this.#pool.take();
    accumulators.clear(record, startUs);
    if (before !== undefined) accumulators.setPrior(record, before.value);
    this.#onWindow(key, startUs, endUs, revision, record);
    this.#pool.release(record);
  }

  #emitCorrections(key: number): void {
    const { cells: keys, stride } = this.#keys;
    const state = this.#at(key);
    keys[key * stride + CORRECT_BY] = Number.POSITIVE_INFINITY;
    for (const endUs of state.dirty.ends()) {
      this.#emit(key, endUs);
      state.emitted.add(endUs, endUs);
    }
    state.dirty.clear();
  }

  /** The windows after this one repeat its newest value, up to the next with readings, which its course of values begins with. */
  #dirtyAfter(state: FilledKey, startUs: number): void {
    const { sizeUs, fillBudget, plan } = this.#options;
    const isOfCourse = (plan.needs & NEEDS_COURSE) !== 0;
    const next = state.held.find((each) => each.startUs > startUs);
    const untilUs = next === undefined ? Number.POSITIVE_INFINITY : next.startUs + (isOfCourse ? sizeUs : 0);
    const most = Math.max(1, Math.min(FILLED_MAX, fillBudget.left));
    for (const [fromUs, toUs] of state.emitted.within(startUs + 2 * sizeUs, untilUs))
      state.dirty.add(Math.max(fromUs, toUs - (most - 1) * sizeUs), toUs);
  }

  /** The end of the next window to emit: one with readings, or one to fill. */
  #nextEnd(key: number): number {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs } = this.#options;
    const state = this.#at(key);
    const doneUs = Math.max(keys[o + EMITTED] as number, keys[o + WATERMARK] as number);
    const held = state.held.find((each) => each.startUs + sizeUs > doneUs);
    const heldUs = held === undefined ? Number.POSITIVE_INFINITY : held.startUs + sizeUs;
    return Math.min(heldUs, this.#fillableUs(state, keys[o + EMITTED] as number));
  }

  /** The end of the window after `emittedUs`, if it is to be filled; otherwise Infinity. */
  #fillableUs(state: FilledKey, emittedUs: number): number {
    if (emittedUs === Number.NEGATIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const { sizeUs, fillForUs } = this.#options;
    const endUs = emittedUs + sizeUs;
    const before = this.#readingBefore(state, endUs);
    return before !== undefined && endUs <= before.atUs + fillForUs ? endUs : Number.POSITIVE_INFINITY;
  }

  /** `endUs`, or a later end if more windows would be filled up to `untilUs` than may be: only the newest are. */
  #skipTo(key: number, endUs: number, untilUs: number): number {
    if (endUs > untilUs) return endUs;
    const { sizeUs, fillForUs, fillBudget } = this.#options;
    const state = this.#at(key);
    const next = state.held.find((each) => each.startUs + sizeUs >= endUs);
    if (next !== undefined && next.startUs + sizeUs === endUs) return endUs;
    const before = this.#readingBefore(state, endUs);
    const lastUs = Math.min(untilUs, (before?.atUs ?? Number.NEGATIVE_INFINITY) + fillForUs, next?.startUs ?? untilUs);
    const most = Math.max(1, Math.min(FILLED_MAX, fillBudget.left));
    return Math.max(endUs, (Math.floor(lastUs / sizeUs) - most + 1) * sizeUs);
  }

  /** The newest reading before this time, which is the start or the end of a window. */
  #readingBefore(state: FilledKey, beforeUs: number): Point | undefined {
    const held = state.held.findLast((each) => each.startUs < beforeUs);
    return held === undefined ? state.left : { atUs: held.lastUs, value: this.accumulators.last(held.record) };
  }

  #heldFor(state: FilledKey, startUs: number): Held {
    const { held, emitted, revisions } = state;
    let place = held.length;
    while (place > 0 && (held[place - 1] as Held).startUs > startUs) place--;
    const known = held[place - 1];
    if (known?.startUs === startUs) return known;
    const record = this.#pool.take();
    this.accumulators.clear(record, startUs);
    const endUs = startUs + this.#options.sizeUs;
    const revision = emitted.has(endUs) ? (revisions.get(endUs) ?? 0) : NOT_EMITTED;
    this.accumulators.cells[record * this.accumulators.stride + REVISION] = revision;
    revisions.delete(endUs);
    const one = { startUs, record, lastUs: Number.NEGATIVE_INFINITY };
    held.splice(place, 0, one);
    return one;
  }

  /** Drops windows that are no longer retained. */
  #forget(state: FilledKey, endedUs: number): void {
    const { held, emitted, revisions } = state;
    const { sizeUs } = this.#options;
    let gone = 0;
    while (gone < held.length && (held[gone] as Held).startUs + sizeUs <= endedUs) gone++;
    for (const { record, lastUs } of held.splice(0, gone)) {
      state.left = { atUs: lastUs, value: this.accumulators.last(record) };
      this.#pool.release(record);
    }
    emitted.forgetTo(endedUs);
    for (const endUs of revisions.keys()) if (endUs <= endedUs) revisions.delete(endUs);
  }
}

interface SavedKey {
  readonly held: readonly Held[];
  readonly left: Point | undefined;
  readonly emitted: readonly (readonly [number, number])[];
  readonly dirty: readonly (readonly [number, number])[];
  readonly revisions: ReadonlyMap<number, number>;
}

function newKey(sizeUs: number): FilledKey {
  return {
    held: [],
    left: undefined,
    emitted: new EndSpans(sizeUs),
    dirty: new EndSpans(sizeUs),
    revisions: new Map(),
  };
}
