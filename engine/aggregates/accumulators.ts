import { grown } from "../../domain/grown.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { holds } from "../../rule-language/conditions/condition.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { Distinct } from "./distinct.ts";
import {
  type AggregatePlan,
  NEEDS_DISTINCT,
  NEEDS_ENDS,
  NEEDS_MOMENTS,
  NEEDS_MORE,
  NEEDS_QUANTILES,
  NEEDS_STATES,
} from "./plan.ts";
import { Quantiles, type QuantilesSnapshot } from "./quantiles.ts";
import { States, type StatesSnapshot } from "./states.ts";

/** For the owner of a record: where its window begins, what was last told of it, and whether a correction waits. */
export const START = 0;
export const REVISION = 1;
export const DIRTY = 2;
const COUNT = 3;
const SUM = 4;
const SUM_REST = 5;
const MIN = 6;
const MAX = 7;
const ALWAYS = 8;

/** The revision of a window that was never told. */
export const UNTOLD = -1;

/** What does not fit numbers. */
interface More {
  readonly quantiles: Quantiles | undefined;
  readonly distinct: Distinct | undefined;
  readonly states: States | undefined;
  firstText: string | undefined;
  lastText: string | undefined;
  prior: number | string | undefined;
}

interface MoreSnapshot {
  readonly quantiles?: QuantilesSnapshot;
  readonly distinct?: Float64Array;
  readonly states?: StatesSnapshot;
  readonly firstText?: string;
  readonly lastText?: string;
  readonly prior?: number | string;
}

type OfEnds = "first" | "last" | "delta" | "delta_percent" | "rate";

const RECORDS_PER_PAUSE = 500;

/** The running aggregates of many windows, as records in one flat array, in columns that the plan asks for. */
export class Accumulators {
  readonly plan: AggregatePlan;
  readonly stride: number;
  cells: Float64Array = new Float64Array(0);
  readonly #more: (More | undefined)[] = [];
  readonly #needs: number;
  readonly #ends: number;
  readonly #moments: number;
  readonly #countIfs: number;

  constructor(plan: AggregatePlan) {
    this.plan = plan;
    this.#needs = plan.needs;
    this.#ends = ALWAYS;
    this.#moments = this.#ends + (plan.needs & NEEDS_ENDS ? 4 : 0);
    this.#countIfs = this.#moments + (plan.needs & NEEDS_MOMENTS ? 2 : 0);
    this.stride = this.#countIfs + plan.countIfs.length;
  }

  /** Makes room for records `[0, records)`. New ones must be cleared before use. */
  reserve(records: number): void {
    this.cells = grown(this.cells, records * this.stride, Number.NaN);
  }

  clear(record: number, startUs: number): void {
    const { cells } = this;
    const o = record * this.stride;
    cells.fill(0, o, o + this.stride);
    cells[o + START] = startUs;
    cells[o + REVISION] = UNTOLD;
    cells[o + MIN] = Number.POSITIVE_INFINITY;
    cells[o + MAX] = Number.NEGATIVE_INFINITY;
    if (this.#needs & NEEDS_ENDS) {
      cells[o + this.#ends + 1] = Number.POSITIVE_INFINITY;
      cells[o + this.#ends + 3] = Number.NEGATIVE_INFINITY;
    }
    if (this.#needs & NEEDS_MORE) this.#more[record] = undefined;
  }

  startUs(record: number): number {
    return this.cells[record * this.stride + START] as number;
  }

  count(record: number): number {
    return this.cells[record * this.stride + COUNT] as number;
  }

  /** Counts the record's revision up, and returns it; a waiting correction is then told. */
  revise(record: number): number {
    const o = record * this.stride;
    const revision = (this.cells[o + REVISION] as number) + 1;
    this.cells[o + REVISION] = revision;
    this.cells[o + DIRTY] = 0;
    return revision;
  }

  /**
   * Takes one value in; `text` for a text, with any value. Sums are compensated (Neumaier, "Rundungsfehleranalyse
   * einiger Verfahren zur Summation endlicher Summen", 1974), moments are Welford's (Technometrics 4, 1962).
   */
  add(record: number, atUs: number, value: number, text: string | undefined): void {
    const { cells } = this;
    const o = record * this.stride;
    const count = (cells[o + COUNT] as number) + 1;
    cells[o + COUNT] = count;
    if (text === undefined) {
      const sum = cells[o + SUM] as number;
      const total = sum + value;
      cells[o + SUM_REST] =
        (cells[o + SUM_REST] as number) +
        (Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum);
      cells[o + SUM] = total;
      if (value < (cells[o + MIN] as number)) cells[o + MIN] = value;
      if (value > (cells[o + MAX] as number)) cells[o + MAX] = value;
      if (this.#needs & NEEDS_MOMENTS) {
        const m = o + this.#moments;
        const delta = value - (cells[m] as number);
        const mean = (cells[m] as number) + delta / count;
        cells[m] = mean;
        cells[m + 1] = (cells[m + 1] as number) + delta * (value - mean);
      }
      for (let i = 0; i < this.plan.countIfs.length; i++) {
        const countIf = this.plan.countIfs[i];
        if (countIf && holds(countIf.condition, value)) (cells[o + this.#countIfs + i] as number)++;
      }
    }
    if (this.#needs & NEEDS_MORE) this.#addMore(record, atUs, value, text);
  }

  /** Adds a record's readings to another's; those of `from` are the later ones. Moments: Chan et al., 1983. */
  merge(into: number, from: number): void {
    const { cells } = this;
    const a = into * this.stride;
    const b = from * this.stride;
    const countA = cells[a + COUNT] as number;
    const countB = cells[b + COUNT] as number;
    if (countB === 0) return;
    const count = countA + countB;
    cells[a + COUNT] = count;
    const sum = cells[a + SUM] as number;
    const value = cells[b + SUM] as number;
    const total = sum + value;
    const lost = Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum;
    cells[a + SUM_REST] = (cells[a + SUM_REST] as number) + lost + (cells[b + SUM_REST] as number);
    cells[a + SUM] = total;
    if ((cells[b + MIN] as number) < (cells[a + MIN] as number)) cells[a + MIN] = cells[b + MIN] as number;
    if ((cells[b + MAX] as number) > (cells[a + MAX] as number)) cells[a + MAX] = cells[b + MAX] as number;
    if (this.#needs & NEEDS_MOMENTS) {
      const m = this.#moments;
      const delta = (cells[b + m] as number) - (cells[a + m] as number);
      cells[a + m] = (cells[a + m] as number) + (delta * countB) / count;
      cells[a + m + 1] =
        (cells[a + m + 1] as number) + (cells[b + m + 1] as number) + (delta * delta * countA * countB) / count;
    }
    for (let i = this.#countIfs; i < this.stride; i++)
      cells[a + i] = (cells[a + i] as number) + (cells[b + i] as number);
    if (this.#needs & NEEDS_MORE) this.#mergeMore(into, from);
  }

  /** The value of an aggregate; NaN where there is none. `window` is what `duration` measures. */
  value(
    record: number,
    aggregate: Aggregate,
    window: { readonly startUs: number; readonly endUs: number },
  ): number | string {
    const { cells } = this;
    const o = record * this.stride;
    const count = cells[o + COUNT] as number;
    if (count === 0 && aggregate.kind !== "duration") {
      const held = this.#more[record]?.prior;
      return held === undefined ? Number.NaN : ofHeldValue(aggregate.kind, held);
    }
    switch (aggregate.kind) {
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
      case "range":
        return (cells[o + MAX] as number) - (cells[o + MIN] as number);
      case "variance":
        return this.#variance(o, count);
      case "stddev":
        return Math.sqrt(this.#variance(o, count));
      case "count_if":
        return cells[
          o + this.#countIfs + this.plan.countIfs.findIndex(({ name }) => name === aggregate.name)
        ] as number;
      case "quantile":
        return this.#more[record]?.quantiles?.value(aggregate.rank) ?? Number.NaN;
      case "distinct":
        return this.#more[record]?.distinct?.count ?? 0;
      case "duration":
        return this.#more[record]?.states?.secondsIn(aggregate.state, window) ?? 0;
      default:
        return this.#fromEnds(record, aggregate.kind, aggregate.kind === "rate" ? aggregate.perSeconds : 1);
    }
  }

  /** The value with the latest time. Needs NEEDS_ENDS. */
  last(record: number): number | string {
    return this.#more[record]?.lastText ?? (this.cells[record * this.stride + this.#ends + 2] as number);
  }

  /** What the window begins with: with `duration` a state, and all that a window without readings can tell. */
  setPrior(record: number, prior: number | string): void {
    const more = this.#moreOf(record);
    more.prior = prior;
    if (more.states) more.states.prior = prior;
  }

  *snapshot(to: SnapshotWriter, records: number): Iterable<undefined> {
    to.doubles(this.cells.subarray(0, records * this.stride));
    if (!(this.#needs & NEEDS_MORE)) return;
    const having = [...this.#more.keys()].filter((record) => this.#more[record] !== undefined);
    to.number(having.length);
    for (const [i, record] of having.entries()) {
      to.number(record);
      to.value(freezeMore(this.#more[record] as More));
      if (i % RECORDS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.cells = from.doubles();
    if (!(this.#needs & NEEDS_MORE)) return;
    for (let left = from.number(); left > 0; left--) this.#more[from.number()] = thawMore(from.value<MoreSnapshot>());
  }

  #variance(o: number, count: number): number {
    return count < 2 ? 0 : Math.max(0, (this.cells[o + this.#moments + 1] as number) / (count - 1));
  }

  #fromEnds(record: number, kind: OfEnds, perSeconds: number): number | string {
    const e = record * this.stride + this.#ends;
    const first = this.cells[e] as number;
    const last = this.cells[e + 2] as number;
    switch (kind) {
      case "first":
        return this.#more[record]?.firstText ?? first;
      case "last":
        return this.last(record);
      case "delta":
        return last - first;
      case "delta_percent":
        return first === 0 ? Number.NaN : (100 * (last - first)) / Math.abs(first);
      case "rate": {
        const seconds = ((this.cells[e + 3] as number) - (this.cells[e + 1] as number)) / 1e6;
        return seconds > 0 ? ((last - first) / seconds) * perSeconds : Number.NaN;
      }
    }
  }

  #addMore(record: number, atUs: number, value: number, text: string | undefined): void {
    if (this.#needs & NEEDS_ENDS) {
      const { cells } = this;
      const e = record * this.stride + this.#ends;
      const isFirst = atUs < (cells[e + 1] as number);
      const isLast = atUs >= (cells[e + 3] as number);
      if (isFirst) {
        cells[e] = value;
        cells[e + 1] = atUs;
      }
      if (isLast) {
        cells[e + 2] = value;
        cells[e + 3] = atUs;
      }
      // Numbers only have no texts: the common case makes no record.
      if (text !== undefined || this.#more[record] !== undefined) {
        const more = this.#moreOf(record);
        if (isFirst) more.firstText = text;
        if (isLast) more.lastText = text;
      }
    }
    if (!(this.#needs & (NEEDS_QUANTILES | NEEDS_DISTINCT | NEEDS_STATES))) return;
    const more = this.#moreOf(record);
    more.quantiles?.add(value);
    more.distinct?.add(text ?? value);
    more.states?.add(atUs, text ?? value);
  }

  #mergeMore(into: number, from: number): void {
    const other = this.#more[from];
    if (this.#needs & NEEDS_ENDS) {
      const { cells } = this;
      const a = into * this.stride + this.#ends;
      const b = from * this.stride + this.#ends;
      const takesFirst = (cells[b + 1] as number) < (cells[a + 1] as number);
      const takesLast = (cells[b + 3] as number) >= (cells[a + 3] as number);
      if (takesFirst) cells.copyWithin(a, b, b + 2);
      if (takesLast) cells.copyWithin(a + 2, b + 2, b + 4);
      if (other !== undefined || this.#more[into] !== undefined) {
        const more = this.#moreOf(into);
        if (takesFirst) more.firstText = other?.firstText;
        if (takesLast) more.lastText = other?.lastText;
      }
    }
    if (other?.quantiles) this.#moreOf(into).quantiles?.merge(other.quantiles);
    if (other?.distinct) this.#moreOf(into).distinct?.merge(other.distinct);
  }

  #moreOf(record: number): More {
    const known = this.#more[record];
    if (known !== undefined) return known;
    const needs = this.#needs;
    const more: More = {
      quantiles: needs & NEEDS_QUANTILES ? new Quantiles() : undefined,
      distinct: needs & NEEDS_DISTINCT ? new Distinct() : undefined,
      states: needs & NEEDS_STATES ? new States() : undefined,
      firstText: undefined,
      lastText: undefined,
      prior: undefined,
    };
    this.#more[record] = more;
    return more;
  }
}

function freezeMore({ quantiles, distinct, states, firstText, lastText, prior }: More): MoreSnapshot {
  return {
    ...(quantiles && { quantiles: quantiles.snapshot() }),
    ...(distinct && { distinct: distinct.snapshot() }),
    ...(states && { states: states.snapshot() }),
    ...(firstText !== undefined && { firstText }),
    ...(lastText !== undefined && { lastText }),
    ...(prior !== undefined && { prior }),
  };
}

function thawMore({ quantiles, distinct, states, firstText, lastText, prior }: MoreSnapshot): More {
  return {
    quantiles: quantiles && Quantiles.restore(quantiles),
    distinct: distinct && Distinct.restore(distinct),
    states: states && States.restore(states),
    firstText,
    lastText,
    prior,
  };
}

/** What a window without readings tells when the value before it is taken to hold on. */
function ofHeldValue(kind: Aggregate["kind"], held: number | string): number | string {
  switch (kind) {
    case "avg":
    case "min":
    case "max":
    case "first":
    case "last":
    case "quantile":
      return held;
    case "distinct":
      return 1;
    default:
      return 0;
  }
}
