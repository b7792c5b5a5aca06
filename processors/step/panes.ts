import { type AggregateName, NEEDS_ENDS, NEEDS_EXTREMES, NEEDS_MOMENTS, NEEDS_SUM, needsOf } from "./aggregates.ts";

const START = 0;
const COUNT = 1;
const SUM = 2;
const SUM_REST = 3;
const MIN = 4;
const MAX = 5;
const FIRST = 6;
const FIRST_AT = 7;
const LAST = 8;
const LAST_AT = 9;
const MEAN = 10;
const M2 = 11;
const REVISION = 12;
const NEXT = 13;
const STRIDE = 14;

/** No pane. */
export const NONE = -1;
/** The revision of a pane that has given no result yet. */
export const OPEN = -1;

/** The running aggregates of many windows, as records in one flat array. Panes are numbers; freed ones are reused. */
export class Panes {
  #cells = new Float64Array(64 * STRIDE);
  #size = 0;
  #free = NONE;
  readonly #needs: number;

  constructor(aggregates: readonly AggregateName[]) {
    this.#needs = needsOf(aggregates);
  }

  /** A new pane before `next` in its key's list. */
  open(startUs: number, next: number): number {
    let pane = this.#free;
    if (pane === NONE) {
      pane = this.#size++;
      if (this.#size * STRIDE > this.#cells.length) {
        const more = new Float64Array(this.#cells.length * 2);
        more.set(this.#cells);
        this.#cells = more;
      }
    } else this.#free = this.next(pane);
    const o = pane * STRIDE;
    this.#cells.fill(0, o, o + STRIDE);
    this.#cells[o + START] = startUs;
    this.#cells[o + MIN] = Number.POSITIVE_INFINITY;
    this.#cells[o + MAX] = Number.NEGATIVE_INFINITY;
    this.#cells[o + FIRST_AT] = Number.POSITIVE_INFINITY;
    this.#cells[o + LAST_AT] = Number.NEGATIVE_INFINITY;
    this.#cells[o + REVISION] = OPEN;
    this.#cells[o + NEXT] = next;
    return pane;
  }

  release(pane: number): void {
    this.setNext(pane, this.#free);
    this.#free = pane;
  }

  startUs(pane: number): number {
    return this.#cells[pane * STRIDE + START] as number;
  }

  next(pane: number): number {
    return this.#cells[pane * STRIDE + NEXT] as number;
  }

  setNext(pane: number, next: number): void {
    this.#cells[pane * STRIDE + NEXT] = next;
  }

  revision(pane: number): number {
    return this.#cells[pane * STRIDE + REVISION] as number;
  }

  /** Counts the pane's revision up, and returns it. */
  revise(pane: number): number {
    const revision = this.revision(pane) + 1;
    this.#cells[pane * STRIDE + REVISION] = revision;
    return revision;
  }

  /**
   * Takes one value in. Sums are compensated (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
   * endlicher Summen", 1974), moments are Welford's (Technometrics 4, 1962).
   */
  add(pane: number, atUs: number, value: number): void {
    const cells = this.#cells;
    const o = pane * STRIDE;
    const needs = this.#needs;
    const count = (cells[o + COUNT] as number) + 1;
    cells[o + COUNT] = count;
    if (needs & NEEDS_SUM) {
      const sum = cells[o + SUM] as number;
      const total = sum + value;
      cells[o + SUM_REST] =
        (cells[o + SUM_REST] as number) +
        (Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum);
      cells[o + SUM] = total;
    }
    if (needs & NEEDS_EXTREMES) {
      if (value < (cells[o + MIN] as number)) cells[o + MIN] = value;
      if (value > (cells[o + MAX] as number)) cells[o + MAX] = value;
    }
    if (needs & NEEDS_ENDS) {
      if (atUs < (cells[o + FIRST_AT] as number)) {
        cells[o + FIRST_AT] = atUs;
        cells[o + FIRST] = value;
      }
      if (atUs >= (cells[o + LAST_AT] as number)) {
        cells[o + LAST_AT] = atUs;
        cells[o + LAST] = value;
      }
    }
    if (needs & NEEDS_MOMENTS) {
      const delta = value - (cells[o + MEAN] as number);
      const mean = (cells[o + MEAN] as number) + delta / count;
      cells[o + MEAN] = mean;
      cells[o + M2] = (cells[o + M2] as number) + delta * (value - mean);
    }
  }

  /** The value of an aggregate. `stddev` is the sample's (n - 1), 0 for one reading. */
  value(pane: number, aggregate: AggregateName): number {
    const cells = this.#cells;
    const o = pane * STRIDE;
    const count = cells[o + COUNT] as number;
    switch (aggregate) {
      case "count":
        return count;
      case "sum":
        return (cells[o + SUM] as number) + (cells[o + SUM_REST] as number);
      case "avg":
        return ((cells[o + SUM] as number) + (cells[o + SUM_REST] as number)) / count;
      case "min":
        return cells[o + MIN] as number;
      case "max":
        return cells[o + MAX] as number;
      case "first":
        return cells[o + FIRST] as number;
      case "last":
        return cells[o + LAST] as number;
      case "stddev":
        return count < 2 ? 0 : Math.sqrt((cells[o + M2] as number) / (count - 1));
    }
  }

  snapshot(): PanesSnapshot {
    return { cells: this.#cells.slice(0, this.#size * STRIDE), free: this.#free };
  }

  restore(snapshot: PanesSnapshot): void {
    this.#cells = new Float64Array(Math.max(64 * STRIDE, snapshot.cells.length));
    this.#cells.set(snapshot.cells);
    this.#size = snapshot.cells.length / STRIDE;
    this.#free = snapshot.free;
  }
}

export interface PanesSnapshot {
  readonly cells: Float64Array;
  readonly free: number;
}
