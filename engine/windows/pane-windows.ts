import { Accumulators, DIRTY } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import { NEEDS_COURSE } from "../aggregates/state-groups.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
import { OverlapCache } from "./overlap-cache.ts";
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

export interface PaneOptions extends WindowOptions {
  readonly sizeUs: number;
  /** The time between two window starts. The size is a multiple of it; for tumbling windows they are equal. */
  readonly everyUs: number;
}

/** When waiting corrections are emitted, and the end of the earliest window among them. */
const CORRECT_BY = OWN;
const DIRTY_END = OWN + 1;
/** Start of the newest pane with readings, and its record. */
const HEAD = OWN + 2;
const HEAD_RECORD = OWN + 3;
const OWN_COLUMNS = 4;

/** Without `atUs` in the checkpoint of an older version. */
interface Left {
  readonly startUs: number;
  readonly last: number | string;
  readonly atUs?: number;
}

/**
 * Tumbling and hopping windows. A key's readings are in panes, one per hop, in a ring that is just long enough for
 * the open and the retained windows. A window is a row of panes, and uses the record of its last pane.
 */
export class PaneWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #options: PaneOptions;
  readonly #onWindow: OnWindow;
  readonly #ring: number;
  readonly #recordsPerKey: number;
  readonly #overlap: OverlapCache | undefined;
  readonly #keys: KeyClocks;
  /** By key: the newest reading that has left the ring. */
  readonly #left: (Left | undefined)[] = [];

  constructor(options: PaneOptions, onWindow: OnWindow) {
    const { sizeUs, everyUs, latenessUs, plan } = options;
    this.#options = options;
    this.#onWindow = onWindow;
    this.accumulators = new Accumulators(plan);
    this.#keys = new KeyClocks(OWN_COLUMNS, latenessUs);
    // Panes that start in (watermark - retained - size, watermark + lateness].
    this.#ring = Math.ceil((latenessUs + (SIZES_RETAINED + 1) * sizeUs) / everyUs);
    const panes = sizeUs / everyUs;
    this.#recordsPerKey = this.#ring + (panes === 1 ? 0 : OverlapCache.recordsFor(panes));
    if (panes === 1) return;
    const firstRecord = (key: number) => key * this.#recordsPerKey + this.#ring;
    const recordWith = (key: number, pane: number) => this.#recordWith(key, pane * everyUs);
    this.#overlap = new OverlapCache({ accumulators: this.accumulators, recordWith, firstRecord }, panes);
  }

  addKey(key: number): void {
    this.#keys.begin(key);
    this.#keys.cells[key * this.#keys.stride + HEAD] = Number.NaN;
    this.accumulators.reserve(this.#keys.size * this.#recordsPerKey);
    this.#clearRecords(key);
    this.#overlap?.addKey(key);
  }

  freeKey(key: number): void {
    this.#keys.begin(key);
    this.#clearRecords(key);
    this.#left[key] = undefined;
  }

  watermarkUs(key: number): number {
    return this.#keys.watermarkUs(key);
  }

  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      const watermarkUs = atUs - this.#options.latenessUs;
      if (watermarkUs > (keys[o + WATERMARK] as number)) this.#moveTo(key, watermarkUs);
    }
    const { everyUs } = this.#options;
    const head = keys[o + HEAD] as number;
    // Always divide the same way: a pane's bounds must not depend on how it was reached.
    const startUs = atUs >= head && atUs < head + everyUs ? head : Math.floor(atUs / everyUs) * everyUs;
    if (startUs + everyUs <= (keys[o + WATERMARK] as number))
      return this.#addLate(key, startUs, atUs, value, text, nowUs);
    let record = keys[o + HEAD_RECORD] as number;
    if (startUs !== head) {
      record = this.#recordFor(key, startUs);
      if (!(startUs < head)) {
        keys[o + HEAD] = startUs;
        keys[o + HEAD_RECORD] = record;
      }
      this.#openFrom(key, startUs + everyUs);
    }
    this.accumulators.add(record, atUs, value, text);
    return ON_TIME;
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
    yield* this.accumulators.snapshot(to, this.#keys.size * this.#recordsPerKey);
    if (this.accumulators.plan.keepsLast) {
      for (let key = 0; key < this.#keys.size; key++) to.value(this.#left[key] ?? null);
    }
    this.#overlap?.snapshot(to, this.#keys.size);
  }

  restore(from: SnapshotReader): void {
    this.#keys.restore(from);
    this.accumulators.restore(from);
    if (this.accumulators.plan.keepsLast) {
      for (let key = 0; key < this.#keys.size; key++) this.#left.push(from.value<Left | null>() ?? undefined);
    }
    this.#overlap?.restore(from);
  }

  #clearRecords(key: number): void {
    const first = key * this.#recordsPerKey;
    for (let i = 0; i < this.#recordsPerKey; i++) this.accumulators.clear(first + i, Number.NaN);
  }

  /** Advances the watermark, and closes the windows that end by then, in order. */
  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if ((keys[o + DIRTY_END] as number) <= watermarkUs - SIZES_RETAINED * this.#options.sizeUs) {
      this.#emitCorrections(key);
    }
    while ((keys[o + NEXT] as number) <= watermarkUs) {
      const endUs = keys[o + NEXT] as number;
      keys[o + WATERMARK] = endUs;
      this.#close(key, endUs);
      keys[o + NEXT] = this.#endAfter(key, endUs);
    }
    keys[o + WATERMARK] = watermarkUs;
  }

  #close(key: number, endUs: number): void {
    const { sizeUs, everyUs } = this.#options;
    const record = this.#recordFor(key, endUs - everyUs);
    if (this.accumulators.plan.keepsLast) this.accumulators.before = this.#newestBefore(key, endUs - sizeUs);
    if (this.#overlap) {
      const merged = this.#overlap.close(key, endUs / everyUs - 1);
      this.#onWindow(key, endUs - sizeUs, endUs, this.accumulators.revise(record), merged);
      return;
    }
    this.#onWindow(key, endUs - sizeUs, endUs, this.accumulators.revise(record), record);
  }

  /** The end of the first window after `endUs` that has a reading. */
  #endAfter(key: number, endUs: number): number {
    const { sizeUs, everyUs } = this.#options;
    const head = this.#keys.cells[key * this.#keys.stride + HEAD] as number;
    let startUs = endUs + everyUs - sizeUs;
    if (startUs > head) return Number.POSITIVE_INFINITY;
    if (head <= endUs) return endUs + everyUs;
    startUs = Math.max(startUs, head - (this.#ring - 1) * everyUs);
    while (startUs < head && this.#recordWith(key, startUs) === undefined) startUs += everyUs;
    return Math.max(startUs, endUs) + everyUs;
  }

  /** The pane's record; undefined if it has no readings. */
  #recordWith(key: number, startUs: number): number | undefined {
    const record = this.#recordAt(key, startUs);
    const { accumulators } = this;
    return accumulators.startUs(record) === startUs && accumulators.count(record) > 0 ? record : undefined;
  }

  /** A pane that ends at `endUs` got a reading: an earlier window may be the next to close. */
  #openFrom(key: number, endUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if (endUs < (keys[o + NEXT] as number)) keys[o + NEXT] = endUs;
  }

  #addLate(key: number, startUs: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs, everyUs, late } = this.#options;
    const watermarkUs = keys[o + WATERMARK] as number;
    const lastEndUs = startUs + sizeUs;
    const forgottenUs = late === "drop" ? watermarkUs : watermarkUs - SIZES_RETAINED * sizeUs;
    if (lastEndUs <= forgottenUs) return LATE_DROPPED;
    this.accumulators.add(this.#recordFor(key, startUs), atUs, value, text);
    if (!(startUs <= (keys[o + HEAD] as number))) {
      keys[o + HEAD] = startUs;
      keys[o + HEAD_RECORD] = this.#recordAt(key, startUs);
    }
    this.#overlap?.changed(key, startUs / everyUs);
    let endUs = startUs + everyUs;
    if (late === "update") {
      for (; endUs <= Math.min(lastEndUs, watermarkUs); endUs += everyUs) {
        if (endUs > forgottenUs) this.#markDirty(key, endUs, nowUs);
      }
    }
    if (late === "update" && (this.accumulators.plan.needs & NEEDS_COURSE) !== 0)
      this.#markFollowing(key, startUs, atUs, nowUs);
    if (lastEndUs > watermarkUs) this.#openFrom(key, (Math.floor(watermarkUs / everyUs) + 1) * everyUs);
    return late === "update" ? LATE_APPLIED : ON_TIME;
  }

  /** A late reading that is now the newest before later windows changes what is known at their start. */
  #markFollowing(key: number, startUs: number, atUs: number, nowUs: number): void {
    const { sizeUs, everyUs } = this.#options;
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const head = keys[o + HEAD] as number;
    if ((this.accumulators.lastPoint(this.#recordAt(key, startUs))?.atUs ?? atUs) > atUs) return;
    let nextUs = startUs + everyUs;
    while (nextUs <= head && this.#recordWith(key, nextUs) === undefined) nextUs += everyUs;
    if (nextUs > head) return;
    const watermarkUs = keys[o + WATERMARK] as number;
    const forgottenUs = watermarkUs - SIZES_RETAINED * sizeUs;
    const firstUs = Math.max(startUs + everyUs, nextUs - sizeUs + everyUs);
    for (let fromUs = firstUs; fromUs <= nextUs && fromUs + sizeUs <= watermarkUs; fromUs += everyUs) {
      if (fromUs + sizeUs > forgottenUs) this.#markDirty(key, fromUs + sizeUs, nowUs);
    }
  }

  #markDirty(key: number, endUs: number, nowUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const record = this.#recordFor(key, endUs - this.#options.everyUs);
    this.accumulators.cells[record * this.accumulators.stride + DIRTY] = 1;
    if (keys[o + CORRECT_BY] === Number.POSITIVE_INFINITY) keys[o + CORRECT_BY] = nowUs + CORRECTION_WAIT_US;
    if (endUs < (keys[o + DIRTY_END] as number)) keys[o + DIRTY_END] = endUs;
  }

  #emitCorrections(key: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { sizeUs, everyUs } = this.#options;
    const { accumulators } = this;
    const watermarkUs = keys[o + WATERMARK] as number;
    const firstUs = keys[o + DIRTY_END] as number;
    keys[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    keys[o + DIRTY_END] = Number.POSITIVE_INFINITY;
    for (let endUs = firstUs; endUs <= watermarkUs; endUs += everyUs) {
      const record = this.#recordAt(key, endUs - everyUs);
      const cell = record * accumulators.stride;
      if (accumulators.startUs(record) !== endUs - everyUs || accumulators.cells[cell + DIRTY] !== 1) continue;
      if (accumulators.plan.keepsLast) accumulators.before = this.#newestBefore(key, endUs - sizeUs);
      const merged = this.#overlap ? this.#overlap.window(key, endUs / everyUs - 1) : record;
      this.#onWindow(key, endUs - sizeUs, endUs, accumulators.revise(record), merged);
    }
  }

  #newestBefore(key: number, startUs: number): Point | undefined {
    const { accumulators } = this;
    const first = key * this.#recordsPerKey;
    let newest = -1;
    let newestUs = Number.NEGATIVE_INFINITY;
    for (let other = first; other < first + this.#ring; other++) {
      const otherUs = accumulators.startUs(other);
      // An unused slot has the start NaN, so the comparison is false.
      if (otherUs < startUs && otherUs > newestUs && accumulators.count(other) > 0) {
        newest = other;
        newestUs = otherUs;
      }
    }
    const left = this.#left[key];
    if (left !== undefined && left.startUs > newestUs) return { atUs: left.atUs ?? left.startUs, value: left.last };
    return newest === -1 ? undefined : accumulators.lastPoint(newest);
  }

  /** The pane's slot in the ring. */
  #recordAt(key: number, startUs: number): number {
    const place = (startUs / this.#options.everyUs) % this.#ring;
    return key * this.#recordsPerKey + (place < 0 ? place + this.#ring : place);
  }

  /** The pane's record. Clears it first if it held another pane. */
  #recordFor(key: number, startUs: number): number {
    const record = this.#recordAt(key, startUs);
    if (this.accumulators.startUs(record) === startUs) return record;
    if (this.accumulators.plan.keepsLast && this.accumulators.count(record) > 0) this.#leave(key, record);
    this.accumulators.clear(record, startUs);
    return record;
  }

  #leave(key: number, record: number): void {
    const startUs = this.accumulators.startUs(record);
    const left = this.#left[key];
    const last = this.accumulators.lastPoint(record);
    if (last !== undefined && (left === undefined || startUs > left.startUs))
      this.#left[key] = { startUs, last: last.value, atUs: last.atUs };
  }
}
