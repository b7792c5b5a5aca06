import { grown } from "../../domain/grown.ts";
import { holds } from "../../rule-language/conditions/condition.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { Course, totalOfNothing } from "./course.ts";
import type { Fold, Point } from "./folds.ts";
import type { ObjectState } from "./object-state.ts";
import { type AggregatePlan, NEEDS_ENDS, NEEDS_MOMENTS, type ObjectColumn, objectColumns } from "./state-groups.ts";
import { addedMoment, addGreat, meanOf, mergedMoment, type Sum, sumOf } from "./sums.ts";

/**
 * Columns for the owner of a record: the start of its window, the last revision emitted, and whether a correction
 * waits.
 */
export const START = 0;
export const REVISION = 1;
export const DIRTY = 2;
const COUNT = 3;
const SUM = 4;
const SUM_REST = 5;
const MIN = 6;
const MAX = 7;
const ALWAYS = 8;

/** The revision of a window that has not been emitted. */
export const NOT_EMITTED = -1;

/** State that is not numeric and not an object state. Most windows have none. */
interface Texts {
  firstText: string | undefined;
  lastText: string | undefined;
  prior: number | string | undefined;
}

/** Also holds the snapshot of each object state, by its name. */
interface MoreSnapshot extends Readonly<Record<string, unknown>> {
  readonly firstText?: string;
  readonly lastText?: string;
  readonly prior?: number | string;
}

const RECORDS_PER_PAUSE = 500;

/**
 * The state of the aggregates of many windows: one record per window, in one flat array with the columns of the plan.
 */
export class Accumulators {
  readonly plan: AggregatePlan;
  readonly stride: number;
  cells: Float64Array = new Float64Array(0);
  /** The key's newest reading before the window whose aggregates are being read. Set it before each window. */
  before: Point | undefined;
  readonly #texts: (Texts | undefined)[] = [];
  readonly #objects: readonly ObjectColumn[];
  readonly #hasEnds: boolean;
  readonly #hasMoments: boolean;
  readonly #hasMore: boolean;
  readonly #ends: number;
  readonly #moments: number;
  readonly #countIfs: number;

  constructor(plan: AggregatePlan) {
    this.plan = plan;
    this.#objects = objectColumns(plan);
    this.#hasEnds = (plan.needs & NEEDS_ENDS) !== 0;
    this.#hasMoments = (plan.needs & NEEDS_MOMENTS) !== 0;
    this.#hasMore = this.#hasEnds || this.#objects.length > 0;
    this.#ends = ALWAYS;
    this.#moments = this.#ends + (this.#hasEnds ? 4 : 0);
    this.#countIfs = this.#moments + (this.#hasMoments ? 2 : 0);
    this.stride = this.#countIfs + plan.countIfs.length;
  }

  /** Makes room for records `[0, records)`. Clear a new record before use. */
  reserve(records: number): void {
    this.cells = grown(this.cells, records * this.stride, Number.NaN);
  }

  clear(record: number, startUs: number): void {
    const { cells } = this;
    const o = record * this.stride;
    cells.fill(0, o, o + this.stride);
    cells[o + START] = startUs;
    cells[o + REVISION] = NOT_EMITTED;
    cells[o + MIN] = Number.POSITIVE_INFINITY;
    cells[o + MAX] = Number.NEGATIVE_INFINITY;
    if (this.#hasEnds) {
      cells[o + this.#ends + 1] = Number.POSITIVE_INFINITY;
      cells[o + this.#ends + 3] = Number.NEGATIVE_INFINITY;
    }
    if (!this.#hasMore) return;
    this.#texts[record] = undefined;
    for (let i = 0; i < this.#objects.length; i++) this.#objects[i]?.clear(record);
  }

  startUs(record: number): number {
    return this.cells[record * this.stride + START] as number;
  }

  count(record: number): number {
    return this.cells[record * this.stride + COUNT] as number;
  }

  /** Increments the record's revision and returns it. Clears a waiting correction. */
  revise(record: number): number {
    const o = record * this.stride;
    const revision = (this.cells[o + REVISION] as number) + 1;
    this.cells[o + REVISION] = revision;
    this.cells[o + DIRTY] = 0;
    return revision;
  }

  /**
   * Adds one reading. Pass `text` for a text; `value` is then ignored. Sums are compensated (`Sum`), moments are
   * Welford's (Technometrics 4, 1962), about the mean of the compensated sum.
   */
  add(record: number, atUs: number, value: number, text: string | undefined): void {
    const { cells } = this;
    const o = record * this.stride;
    const count = (cells[o + COUNT] as number) + 1;
    cells[o + COUNT] = count;
    if (text === undefined) {
      const sum = cells[o + SUM] as number;
      const total = sum + value;
      const rest = cells[o + SUM_REST] as number;
      const restAfter = rest + (Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum);
      cells[o + SUM_REST] = restAfter;
      cells[o + SUM] = total;
      // NaN or infinite.
      if (restAfter - restAfter !== 0) this.#store(o, addGreat({ sum, rest }, { sum: value, rest: 0 }));
      if (value < (cells[o + MIN] as number)) cells[o + MIN] = value;
      if (value > (cells[o + MAX] as number)) cells[o + MAX] = value;
      if (this.#hasMoments) {
        const m = o + this.#moments;
        const after = this.#sumAt(o);
        cells[m] = meanOf(after, count);
        cells[m + 1] = (cells[m + 1] as number) + addedMoment(value, { sum, rest }, after, count);
      }
      for (let i = 0; i < this.plan.countIfs.length; i++) {
        const countIf = this.plan.countIfs[i];
        if (countIf && holds(countIf.condition, value)) (cells[o + this.#countIfs + i] as number)++;
      }
    } else this.#countText(o + this.#countIfs, text);
    if (this.#hasMore) this.#addMore(record, atUs, value, text);
  }

  #countText(first: number, text: string): void {
    for (const [i, { condition }] of this.plan.countIfs.entries())
      if (holds(condition, text)) (this.cells[first + i] as number)++;
  }

  /** Replaces the aggregates of a record by those of another. */
  copy(into: number, from: number): void {
    const { cells, stride } = this;
    for (let i = COUNT; i < stride; i++) cells[into * stride + i] = cells[from * stride + i] as number;
    if (!this.#hasMore) return;
    const texts = this.#texts[from];
    this.#texts[into] = texts && { ...texts };
    for (const column of this.#objects) {
      const object = column.get(from);
      column.clear(into);
      if (object !== undefined) column.at(into).merge(object);
    }
  }

  /** Merges a record into another. The readings of `from` must be the later ones. Moments: Chan et al., 1983. */
  merge(into: number, from: number): void {
    const { cells } = this;
    const a = into * this.stride;
    const b = from * this.stride;
    const countA = cells[a + COUNT] as number;
    const countB = cells[b + COUNT] as number;
    if (countB === 0) return;
    const count = countA + countB;
    cells[a + COUNT] = count;
    const sumA = this.#sumAt(a);
    const sumB = this.#sumAt(b);
    const total = sumA.sum + sumB.sum;
    const isFirst = Math.abs(sumA.sum) >= Math.abs(sumB.sum);
    const lost = isFirst ? sumA.sum - total + sumB.sum : sumB.sum - total + sumA.sum;
    const rest = sumA.rest + lost + sumB.rest;
    cells[a + SUM_REST] = rest;
    cells[a + SUM] = total;
    if (rest - rest !== 0) this.#store(a, addGreat(sumA, sumB));
    if ((cells[b + MIN] as number) < (cells[a + MIN] as number)) cells[a + MIN] = cells[b + MIN] as number;
    if ((cells[b + MAX] as number) > (cells[a + MAX] as number)) cells[a + MAX] = cells[b + MAX] as number;
    if (this.#hasMoments) {
      const m = this.#moments;
      const moment = (cells[a + m + 1] as number) + (cells[b + m + 1] as number);
      cells[a + m] = meanOf(this.#sumAt(a), count);
      cells[a + m + 1] = moment + mergedMoment(sumA, countA, sumB, countB);
    }
    for (let i = this.#countIfs; i < this.stride; i++)
      cells[a + i] = (cells[a + i] as number) + (cells[b + i] as number);
    if (this.#hasMore) this.#mergeMore(into, from);
  }

  sum(record: number): number {
    return sumOf(this.#sumAt(record * this.stride));
  }

  /** Between min and max, so exact if all values are equal. */
  mean(record: number): number {
    const mean = meanOf(this.#sumAt(record * this.stride), this.count(record));
    return Math.min(Math.max(mean, this.min(record)), this.max(record));
  }

  min(record: number): number {
    return this.cells[record * this.stride + MIN] as number;
  }

  max(record: number): number {
    return this.cells[record * this.stride + MAX] as number;
  }

  /** The sample variance; 0 for one reading. Needs `moments`. */
  variance(record: number): number {
    const o = record * this.stride;
    const count = this.cells[o + COUNT] as number;
    if (count < 2 || this.min(record) === this.max(record)) return 0;
    return Math.max(0, (this.cells[o + this.#moments + 1] as number) / (count - 1));
  }

  /** The number of readings that meet the condition of this name. */
  countIf(record: number, name: string): number {
    const place = this.plan.countIfs.findIndex((countIf) => countIf.name === name);
    return this.cells[record * this.stride + this.#countIfs + place] as number;
  }

  /** The value with the earliest time. Needs `ends`, like the methods below. */
  first(record: number): number | string {
    return this.#texts[record]?.firstText ?? this.firstNumber(record);
  }
  last(record: number): number | string {
    return this.#texts[record]?.lastText ?? this.lastNumber(record);
  }

  firstNumber(record: number): number {
    return this.cells[record * this.stride + this.#ends] as number;
  }

  lastNumber(record: number): number {
    return this.cells[record * this.stride + this.#ends + 2] as number;
  }

  /** The newest reading of a record; undefined without one. */
  lastPoint(record: number): Point | undefined {
    if (this.count(record) === 0) return undefined;
    return { atUs: this.cells[record * this.stride + this.#ends + 3] as number, value: this.last(record) };
  }

  /** A fold over the course of values in a window. Needs `states`. */
  total(record: number, fold: Fold, window: { readonly startUs: number; readonly endUs: number }): number {
    const course = this.object(record, Course);
    if (course === undefined) return totalOfNothing(fold, window, this.before, this.plan.course);
    return course.total(fold, window, this.before);
  }

  /** The time from the reading before the window, or without one from its first reading, to its last. */
  stepsUs(record: number): number {
    const e = record * this.stride + this.#ends;
    return (this.cells[e + 3] as number) - (this.before?.atUs ?? (this.cells[e + 1] as number));
  }

  /** The time from the first reading to the last. */
  endsApartUs(record: number): number {
    const e = record * this.stride + this.#ends;
    return (this.cells[e + 3] as number) - (this.cells[e + 1] as number);
  }

  /** The window's object state of a class; undefined if it has none. */
  object<State extends ObjectState>(record: number, type: abstract new (...args: never) => State): State | undefined {
    for (const column of this.#objects) {
      const object = column.get(record);
      if (object instanceof type) return object;
    }
    return undefined;
  }

  /** The value before the window, if one was set. */
  prior(record: number): number | string | undefined {
    return this.#texts[record]?.prior;
  }

  /** Sets the value that `fill: last` repeats. */
  setPrior(record: number, prior: number | string): void {
    this.#textsOf(record).prior = prior;
  }

  *snapshot(to: SnapshotWriter, records: number): Iterable<undefined> {
    to.doubles(this.cells.subarray(0, records * this.stride));
    if (!this.#hasMore) return;
    const having: number[] = [];
    for (let record = 0; record < records; record++) if (this.#hasAny(record)) having.push(record);
    to.number(having.length);
    for (const [i, record] of having.entries()) {
      to.number(record);
      to.value(this.#savedMore(record));
      if (i % RECORDS_PER_PAUSE === 0) yield;
    }
  }

  restore(from: SnapshotReader): void {
    this.cells = from.doubles();
    if (!this.#hasMore) return;
    for (let left = from.number(); left > 0; left--) {
      const record = from.number();
      const snapshot = from.value<MoreSnapshot>();
      const { firstText, lastText, prior } = snapshot;
      const hasTexts = firstText !== undefined || lastText !== undefined || prior !== undefined;
      // Without object states, a stored record had texts once. Keep it, so that the next snapshot is the same.
      if (hasTexts || this.#objects.length === 0) this.#texts[record] = { firstText, lastText, prior };
      for (const column of this.#objects) {
        if (snapshot[column.name] !== undefined) column.restore(record, snapshot[column.name]);
      }
    }
  }

  #addMore(record: number, atUs: number, value: number, text: string | undefined): void {
    if (this.#hasEnds) {
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
      // Allocates nothing while all readings are numbers.
      if (text !== undefined || this.#texts[record] !== undefined) {
        const texts = this.#textsOf(record);
        if (isFirst) texts.firstText = text;
        if (isLast) texts.lastText = text;
      }
    }
    for (let i = 0; i < this.#objects.length; i++) this.#objects[i]?.at(record).add(atUs, value, text);
  }

  #mergeMore(into: number, from: number): void {
    const other = this.#texts[from];
    if (this.#hasEnds) {
      const { cells } = this;
      const a = into * this.stride + this.#ends;
      const b = from * this.stride + this.#ends;
      const takesFirst = (cells[b + 1] as number) < (cells[a + 1] as number);
      const takesLast = (cells[b + 3] as number) >= (cells[a + 3] as number);
      if (takesFirst) cells.copyWithin(a, b, b + 2);
      if (takesLast) cells.copyWithin(a + 2, b + 2, b + 4);
      if (other !== undefined || this.#texts[into] !== undefined) {
        const texts = this.#textsOf(into);
        if (takesFirst) texts.firstText = other?.firstText;
        if (takesLast) texts.lastText = other?.lastText;
      }
    }
    for (const column of this.#objects) {
      const object = column.get(from);
      if (object !== undefined) column.at(into).merge(object);
    }
  }

  #sumAt(o: number): Sum {
    return { sum: this.cells[o + SUM] as number, rest: this.cells[o + SUM_REST] as number };
  }

  #store(o: number, { sum, rest }: Sum): void {
    this.cells[o + SUM] = sum;
    this.cells[o + SUM_REST] = rest;
  }

  #textsOf(record: number): Texts {
    const known = this.#texts[record];
    if (known !== undefined) return known;
    const texts: Texts = { firstText: undefined, lastText: undefined, prior: undefined };
    this.#texts[record] = texts;
    return texts;
  }

  #hasAny(record: number): boolean {
    return this.#texts[record] !== undefined || this.#objects.some((column) => column.get(record) !== undefined);
  }

  #savedMore(record: number): MoreSnapshot {
    const { firstText, lastText, prior } = this.#texts[record] ?? {};
    return {
      ...Object.fromEntries(
        this.#objects.flatMap((column) => {
          const object = column.get(record);
          return object === undefined ? [] : [[column.name, object.snapshot()]];
        }),
      ),
      ...(firstText !== undefined && { firstText }),
      ...(lastText !== undefined && { lastText }),
      ...(prior !== undefined && { prior }),
    };
  }
}
