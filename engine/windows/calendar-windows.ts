import type { WindowGrid } from "../../rule-language/calendar/window-grid.ts";
import { Accumulators, DIRTY } from "../aggregates/accumulators.ts";
import type { Point } from "../aggregates/folds.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { ARRIVED, KeyClocks, NEWEST, NEXT, OWN, WATERMARK } from "./key-clocks.ts";
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

export interface CalendarOptions extends WindowOptions {
  readonly grid: WindowGrid;
}

const CORRECT_BY = OWN;
/** The earliest end of the windows that wait for a correction. */
const DIRTY_END = OWN + 1;
const OWN_COLUMNS = 2;
const KEYS_PER_PAUSE = 500;

interface CalendarWindow {
  readonly startUs: number;
  readonly endUs: number;
  readonly record: number;
}

interface KeyWindows {
  /** Open and retained windows with readings, earliest first. */
  readonly windows: CalendarWindow[];
  /** The newest reading of the windows that are no longer retained. */
  left: Point | undefined;
}

/** Days, weeks, months and shifts: windows of any length that follow one another, by the local calendar. */
export class CalendarWindows implements Windows {
  readonly accumulators: Accumulators;
  readonly #pool: RecordPool;
  readonly #options: CalendarOptions;
  readonly #onWindow: OnWindow;
  readonly #keys: KeyClocks;
  readonly #windows: KeyWindows[] = [];

  constructor(options: CalendarOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.accumulators = new Accumulators(options.plan);
    this.#pool = new RecordPool(this.accumulators);
    this.#keys = new KeyClocks(OWN_COLUMNS, options.latenessUs);
  }

  addKey(key: number): void {
    this.#windows[key] = { windows: [], left: undefined };
    this.#keys.begin(key);
  }

  freeKey(key: number): void {
    for (const { record } of this.#at(key).windows) this.#pool.release(record);
    this.addKey(key);
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
    const watermarkUs = keys[o + WATERMARK] as number;
    const newest = this.#at(key).windows.at(-1);
    const isInNewest = newest !== undefined && atUs >= newest.startUs && atUs < newest.endUs;
    const { endUs } = isInNewest ? newest : this.#options.grid.windowAt(atUs);
    const isLate = endUs <= watermarkUs;
    if (isLate && (this.#options.late === "drop" || endUs <= this.#forgottenUs(watermarkUs))) return LATE_DROPPED;
    const record = isInNewest ? newest.record : this.#windowAt(key, atUs).record;
    this.accumulators.add(record, atUs, value, text);
    if (!isLate) {
      if (endUs < (keys[o + NEXT] as number)) keys[o + NEXT] = endUs;
      return ON_TIME;
    }
    this.#markDirty(key, record, endUs, nowUs);
    if (this.accumulators.plan.keepsLast && this.accumulators.lastPoint(record)?.atUs === atUs)
      this.#markFollowing(key, endUs, nowUs);
    return LATE_APPLIED;
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
    for (const [key, windows] of this.#windows.entries()) {
      to.value(windows);
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.#keys.restore(from);
    this.#pool.restore(from);
    while (this.#windows.length < this.#keys.size) this.#windows.push(from.value<KeyWindows>());
  }

  #at(key: number): KeyWindows {
    return this.#windows[key] as KeyWindows;
  }

  #forgottenUs(watermarkUs: number): number {
    return watermarkUs - SIZES_RETAINED * this.#options.grid.sizeUs;
  }

  /** The key's window that holds an instant. Adds it if it had no readings. */
  #windowAt(key: number, atUs: number): CalendarWindow {
    const { windows } = this.#at(key);
    let place = windows.length;
    while (place > 0 && (windows[place - 1] as CalendarWindow).startUs > atUs) place--;
    const before = windows[place - 1];
    if (before !== undefined && atUs < before.endUs) return before;
    const added = { ...this.#options.grid.windowAt(atUs), record: this.#pool.take() };
    windows.splice(place, 0, added);
    return added;
  }

  /** Advances the watermark, and closes the windows that end by then, in order. */
  #moveTo(key: number, watermarkUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    if ((keys[o + DIRTY_END] as number) <= this.#forgottenUs(watermarkUs)) this.#emitCorrections(key);
    const { windows } = this.#at(key);
    while ((keys[o + NEXT] as number) <= watermarkUs) {
      const endUs = keys[o + NEXT] as number;
      keys[o + WATERMARK] = endUs;
      const place = windows.findIndex((window) => window.endUs === endUs);
      this.#emit(key, place);
      keys[o + NEXT] = windows[place + 1]?.endUs ?? Number.POSITIVE_INFINITY;
    }
    keys[o + WATERMARK] = watermarkUs;
    this.#forget(key, this.#forgottenUs(watermarkUs));
  }

  #markDirty(key: number, record: number, endUs: number, nowUs: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    this.accumulators.cells[record * this.accumulators.stride + DIRTY] = 1;
    if (keys[o + CORRECT_BY] === Number.POSITIVE_INFINITY) keys[o + CORRECT_BY] = nowUs + CORRECTION_WAIT_US;
    if (endUs < (keys[o + DIRTY_END] as number)) keys[o + DIRTY_END] = endUs;
  }

  /** The last reading of a window has changed, and with it the newest one before the next window. */
  #markFollowing(key: number, endUs: number, nowUs: number): void {
    const next = this.#at(key).windows.find(({ startUs }) => startUs >= endUs);
    if (next !== undefined && next.endUs <= this.watermarkUs(key)) this.#markDirty(key, next.record, next.endUs, nowUs);
  }

  #emit(key: number, place: number): void {
    const { windows, left } = this.#at(key);
    const { startUs, endUs, record } = windows[place] as CalendarWindow;
    if (this.accumulators.plan.keepsLast) {
      const before = windows[place - 1];
      this.accumulators.before = before === undefined ? left : this.accumulators.lastPoint(before.record);
    }
    this.#onWindow(key, startUs, endUs, this.accumulators.revise(record), record);
  }

  /** Drops the windows that can no longer be corrected. */
  #forget(key: number, forgottenUs: number): void {
    const own = this.#at(key);
    let count = 0;
    for (
      let window = own.windows[0];
      window !== undefined && window.endUs <= forgottenUs;
      window = own.windows[++count]
    ) {
      if (this.accumulators.plan.keepsLast) own.left = this.accumulators.lastPoint(window.record);
      this.#pool.release(window.record);
    }
    if (count > 0) own.windows.splice(0, count);
  }

  #emitCorrections(key: number): void {
    const { cells: keys, stride } = this.#keys;
    const o = key * stride;
    const { accumulators } = this;
    keys[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    keys[o + DIRTY_END] = Number.POSITIVE_INFINITY;
    for (const [place, { record }] of this.#at(key).windows.entries()) {
      if (accumulators.cells[record * accumulators.stride + DIRTY] === 1) this.#emit(key, place);
    }
  }
}
