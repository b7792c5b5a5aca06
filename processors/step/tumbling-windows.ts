import type { AggregateName } from "./aggregates.ts";
import { NONE, OPEN, Panes, type PanesSnapshot } from "./panes.ts";

export interface WindowOptions {
  readonly sizeUs: number;
  readonly latenessUs: number;
  /** How long, in event time, a closed window can still be corrected. */
  readonly retainUs: number;
  readonly late: "update" | "drop";
  readonly aggregates: readonly AggregateName[];
}

/** What became of a reading. */
export const ON_TIME = 0;
export const LATE_APPLIED = 1;
export const LATE_DROPPED = 2;
export type Fate = typeof ON_TIME | typeof LATE_APPLIED | typeof LATE_DROPPED;

/** Told of each window that closed, or was corrected, oldest first within a key. */
export type OnWindow = (key: number, pane: number) => void;

const NEWEST = 0;
const ARRIVED = 1;
const WATERMARK = 2;
/** End of the earliest window that has given no result yet. */
const NEXT_END = 3;
/** Windows up to here may have been forgotten: no more corrections. */
const FORGOTTEN = 4;
/** The newest pane; older ones follow. */
const HEAD = 5;
/** The pane that late readings are correcting, and when its correction is told at the latest. */
const CORRECTING = 6;
const CORRECT_BY = 7;
const STRIDE = 8;

/** Late readings often come many at once: a correction is told when they go on to another window, or after this. */
const CORRECTION_WAIT_US = 1_000_000;

/**
 * Windows `[n * size, (n + 1) * size)` of many keys, each key with its own event clock:
 * watermark = newest observation time + processing time since it arrived - lateness, never going back.
 */
export class TumblingWindows {
  readonly panes: Panes;
  readonly #options: WindowOptions;
  readonly #onWindow: OnWindow;
  #keys = new Float64Array(16 * STRIDE);
  #keyCount = 0;

  constructor(options: WindowOptions, onWindow: OnWindow) {
    this.#options = options;
    this.#onWindow = onWindow;
    this.panes = new Panes(options.aggregates);
  }

  get keyCount(): number {
    return this.#keyCount;
  }

  /** The number of a new key: 0, 1, 2... */
  addKey(): number {
    const key = this.#keyCount++;
    if (this.#keyCount * STRIDE > this.#keys.length) {
      const more = new Float64Array(this.#keys.length * 2);
      more.set(this.#keys);
      this.#keys = more;
    }
    const o = key * STRIDE;
    this.#keys[o + NEWEST] = Number.NEGATIVE_INFINITY;
    this.#keys[o + ARRIVED] = 0;
    this.#keys[o + WATERMARK] = Number.NEGATIVE_INFINITY;
    this.#keys[o + NEXT_END] = Number.POSITIVE_INFINITY;
    this.#keys[o + FORGOTTEN] = Number.NEGATIVE_INFINITY;
    this.#keys[o + HEAD] = NONE;
    this.#keys[o + CORRECTING] = NONE;
    this.#keys[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    return key;
  }

  endUs(pane: number): number {
    return this.panes.startUs(pane) + this.#options.sizeUs;
  }

  watermarkUs(key: number): number {
    return this.#keys[key * STRIDE + WATERMARK] as number;
  }

  /** Takes a reading in; windows that it shows to be over close first. */
  add(key: number, atUs: number, value: number, nowUs: number): Fate {
    const keys = this.#keys;
    const o = key * STRIDE;
    const { sizeUs, latenessUs } = this.#options;
    if (atUs > (keys[o + NEWEST] as number)) {
      keys[o + NEWEST] = atUs;
      keys[o + ARRIVED] = nowUs;
      if (atUs - latenessUs > (keys[o + WATERMARK] as number)) {
        keys[o + WATERMARK] = atUs - latenessUs;
        if (atUs - latenessUs >= (keys[o + NEXT_END] as number)) this.#close(key);
      }
    }
    const startUs = Math.floor(atUs / sizeUs) * sizeUs;
    if (startUs + sizeUs <= (keys[o + WATERMARK] as number)) return this.#addLate(key, startUs, atUs, value, nowUs);
    let pane = keys[o + HEAD] as number;
    if (pane === NONE || this.panes.startUs(pane) !== startUs) {
      pane = this.#paneAt(key, startUs);
      if (startUs + sizeUs < (keys[o + NEXT_END] as number)) keys[o + NEXT_END] = startUs + sizeUs;
    }
    this.panes.add(pane, atUs, value);
    return ON_TIME;
  }

  /** Lets processing time pass: closes what is over by then. */
  advance(key: number, nowUs: number): void {
    const o = key * STRIDE;
    const keys = this.#keys;
    const watermarkUs =
      (keys[o + NEWEST] as number) + (nowUs - (keys[o + ARRIVED] as number)) - this.#options.latenessUs;
    if (watermarkUs > (keys[o + WATERMARK] as number)) keys[o + WATERMARK] = watermarkUs;
    if ((keys[o + CORRECT_BY] as number) <= nowUs) this.#tellCorrection(key);
    if ((keys[o + WATERMARK] as number) >= (keys[o + NEXT_END] as number)) this.#close(key);
  }

  /** The processing time at which `advance` has something to do for the key. */
  dueUs(key: number): number {
    const o = key * STRIDE;
    const keys = this.#keys;
    const closeUs =
      (keys[o + NEXT_END] as number) +
      this.#options.latenessUs -
      (keys[o + NEWEST] as number) +
      (keys[o + ARRIVED] as number);
    const correctUs = keys[o + CORRECT_BY] as number;
    return Math.min(closeUs, correctUs);
  }

  snapshot(): WindowsSnapshot {
    return { keys: this.#keys.slice(0, this.#keyCount * STRIDE), panes: this.panes.snapshot() };
  }

  restore(snapshot: WindowsSnapshot): void {
    this.#keys = new Float64Array(Math.max(16 * STRIDE, snapshot.keys.length));
    this.#keys.set(snapshot.keys);
    this.#keyCount = snapshot.keys.length / STRIDE;
    this.panes.restore(snapshot.panes);
  }

  #addLate(key: number, startUs: number, atUs: number, value: number, nowUs: number): Fate {
    const keys = this.#keys;
    const o = key * STRIDE;
    if (this.#options.late === "drop" || startUs + this.#options.sizeUs <= (keys[o + FORGOTTEN] as number)) {
      return LATE_DROPPED;
    }
    const pane = this.#paneAt(key, startUs);
    if (keys[o + CORRECTING] !== pane) {
      this.#tellCorrection(key);
      keys[o + CORRECTING] = pane;
      keys[o + CORRECT_BY] = nowUs + CORRECTION_WAIT_US;
    }
    this.panes.add(pane, atUs, value);
    return LATE_APPLIED;
  }

  #tellCorrection(key: number): void {
    const o = key * STRIDE;
    const pane = this.#keys[o + CORRECTING] as number;
    this.#keys[o + CORRECTING] = NONE;
    this.#keys[o + CORRECT_BY] = Number.POSITIVE_INFINITY;
    if (pane !== NONE) this.#onWindow(key, pane);
  }

  /** Closes, oldest first, every window that ends at or before the watermark; forgets those past correcting. */
  #close(key: number): void {
    const keys = this.#keys;
    const o = key * STRIDE;
    this.#tellCorrection(key);
    const watermarkUs = keys[o + WATERMARK] as number;
    for (;;) {
      const { oldest, endUs } = this.#oldestOpen(keys[o + HEAD] as number);
      keys[o + NEXT_END] = endUs;
      if (endUs > watermarkUs) break;
      this.#onWindow(key, oldest);
      // A pane that was told is no longer open; one that was not would be told for ever.
      if (this.panes.revision(oldest) === OPEN) throw new Error("a closed window was not revised");
    }
    this.#forget(key);
  }

  #oldestOpen(head: number): { oldest: number; endUs: number } {
    let oldest = NONE;
    for (let pane = head; pane !== NONE; pane = this.panes.next(pane)) {
      if (this.panes.revision(pane) === OPEN) oldest = pane;
    }
    return { oldest, endUs: oldest === NONE ? Number.POSITIVE_INFINITY : this.endUs(oldest) };
  }

  /** By event time, not by the idle clock: a device that was away finds its windows as it left them. */
  #forget(key: number): void {
    const keys = this.#keys;
    const o = key * STRIDE;
    const beforeUs = (keys[o + NEWEST] as number) - this.#options.latenessUs - this.#options.retainUs;
    let previous = NONE;
    for (let pane = keys[o + HEAD] as number; pane !== NONE; ) {
      const next = this.panes.next(pane);
      if (this.endUs(pane) <= beforeUs && this.panes.revision(pane) !== OPEN) {
        if (previous === NONE) keys[o + HEAD] = next;
        else this.panes.setNext(previous, next);
        if (this.endUs(pane) > (keys[o + FORGOTTEN] as number)) keys[o + FORGOTTEN] = this.endUs(pane);
        this.panes.release(pane);
      } else previous = pane;
      pane = next;
    }
  }

  /** The key's pane with this start; a new one in its place when there is none. Panes are sorted, newest first. */
  #paneAt(key: number, startUs: number): number {
    const o = key * STRIDE;
    let previous = NONE;
    let pane = this.#keys[o + HEAD] as number;
    while (pane !== NONE && this.panes.startUs(pane) > startUs) {
      previous = pane;
      pane = this.panes.next(pane);
    }
    if (pane !== NONE && this.panes.startUs(pane) === startUs) return pane;
    const opened = this.panes.open(startUs, pane);
    if (previous === NONE) this.#keys[o + HEAD] = opened;
    else this.panes.setNext(previous, opened);
    return opened;
  }
}

export interface WindowsSnapshot {
  readonly keys: Float64Array;
  readonly panes: PanesSnapshot;
}
