import { addCount, Grid, type GridSnapshot } from "./grid.ts";
import type { ObjectState } from "./object-state.ts";

/** Quantiles of at most this many values are exact. */
const EXACT_MAX = 64;
const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);
/** Values closer to zero than this count as zero. */
const TINY = 1e-12;

/**
 * A multiset of numbers for quantiles. Few values are kept as they are. More are counted in DDSketch's buckets, whose
 * width bounds the error of each order statistic to 1 % of the value (Masson, Rim, Lee: "DDSketch", VLDB 2019), and in
 * a grid, which bounds it to 1 % of the range: in a narrow band such as 49.9 to 50.1, that is far less. The order
 * statistic lies in a bucket and in a cell, so in what they share. A quantile depends only on the values, not on their
 * order or on how they were merged.
 */
export class Quantiles implements ObjectState {
  #values: number[] | undefined = [];
  #count = 0;
  #zeros = 0;
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();
  /** Undefined: a version without grids has counted some of the values. */
  #grid: Grid | undefined = new Grid();

  add(_atUs: number, value: number): void {
    this.#addValue(value);
  }

  #addValue(value: number): void {
    this.#count++;
    if (this.#values === undefined) this.#addToBucket(value, 1);
    else if (this.#values.push(value) > EXACT_MAX) this.#toBuckets();
  }

  merge(other: Quantiles): void {
    if (other.#values !== undefined) {
      for (const value of other.#values) this.#addValue(value);
      return;
    }
    this.#toBuckets();
    if (other.#grid === undefined) this.#grid = undefined;
    else this.#grid?.merge(other.#grid);
    this.#count += other.#count;
    this.#zeros += other.#zeros;
    for (const [bucket, count] of other.#positive) addCount(this.#positive, bucket, count);
    for (const [bucket, count] of other.#negative) addCount(this.#negative, bucket, count);
  }

  /** Interpolates linearly between order statistics. `rank` is from 0 to 1. NaN without values. */
  value(rank: number): number {
    if (this.#count === 0) return Number.NaN;
    const place = rank * (this.#count - 1);
    const below = Math.floor(place);
    const [low, high] = this.#orderStatistics(below, Math.min(below + 1, this.#count - 1));
    const step = (high - low) * (place - below);
    // The difference of the greatest numbers is infinite.
    return Number.isFinite(step) ? low + step : low * (1 - place + below) + high * (place - below);
  }

  snapshot(): QuantilesSnapshot {
    const pairs = (buckets: ReadonlyMap<number, number>) => [...buckets].sort((a, b) => a[0] - b[0]).flat();
    return {
      values: this.#values?.slice() ?? null,
      count: this.#count,
      zeros: this.#zeros,
      positive: pairs(this.#positive),
      negative: pairs(this.#negative),
      ...(this.#values === undefined && this.#grid !== undefined && { grid: this.#grid.snapshot() }),
    };
  }

  static restore(snapshot: QuantilesSnapshot): Quantiles {
    const quantiles = new Quantiles();
    quantiles.#values = snapshot.values?.slice();
    quantiles.#count = snapshot.count;
    quantiles.#zeros = snapshot.zeros;
    if (snapshot.grid !== undefined) quantiles.#grid = Grid.restore(snapshot.grid);
    else if (snapshot.values === null) quantiles.#grid = undefined;
    for (const [pairs, into] of [
      [snapshot.positive, quantiles.#positive],
      [snapshot.negative, quantiles.#negative],
    ] as const) {
      for (let i = 0; i < pairs.length; i += 2) into.set(pairs[i] as number, pairs[i + 1] as number);
    }
    return quantiles;
  }

  #toBuckets(): void {
    const values = this.#values ?? [];
    this.#values = undefined;
    for (const value of values) this.#addToBucket(value, 1);
  }

  #addToBucket(value: number, count: number): void {
    this.#grid?.add(value, count);
    const size = Math.abs(value);
    if (size < TINY) this.#zeros += count;
    else addCount(value > 0 ? this.#positive : this.#negative, Math.ceil(Math.log(size) / LOG_GAMMA), count);
  }

  #orderStatistics(first: number, second: number): [number, number] {
    if (this.#values !== undefined) {
      const sorted = Float64Array.from(this.#values).sort();
      return [sorted[first] as number, sorted[second] as number];
    }
    return [this.#orderStatistic(first), this.#orderStatistic(second)];
  }

  #orderStatistic(place: number): number {
    const [least, greatest] = this.#bucketBounds(place);
    if (this.#grid === undefined) return middleOf(least, greatest);
    if (place === 0) return this.#grid.min;
    if (place === this.#count - 1) return this.#grid.max;
    const [from, to] = this.#grid.boundsAt(place);
    const low = Math.max(from, least);
    const high = Math.min(to, greatest);
    // The bounds of buckets are rounded, so that the two can miss each other.
    return low <= high ? middleOf(low, high) : middleOf(from, to);
  }

  /** The bounds of the bucket with the value at a place in order. */
  #bucketBounds(place: number): readonly [number, number] {
    let passed = 0;
    for (const [bucket, count] of [...this.#negative].sort((a, b) => b[0] - a[0])) {
      passed += count;
      if (passed > place) return [-(GAMMA ** bucket), -(GAMMA ** (bucket - 1))];
    }
    passed += this.#zeros;
    if (passed > place) return this.#grid === undefined ? [0, 0] : [-TINY, TINY];
    for (const [bucket, count] of [...this.#positive].sort((a, b) => a[0] - b[0])) {
      passed += count;
      if (passed > place) return [GAMMA ** (bucket - 1), GAMMA ** bucket];
    }
    throw new RangeError(`no value at place ${place} of ${this.#count}`);
  }
}

export interface QuantilesSnapshot {
  readonly values: readonly number[] | null;
  readonly count: number;
  readonly zeros: number;
  /** Alternating: bucket, count, bucket, count... */
  readonly positive: readonly number[];
  readonly negative: readonly number[];
  readonly grid?: GridSnapshot;
}

/** The value with the smallest worst-case relative error. */
function middleOf(low: number, high: number): number {
  if (low === high) return low;
  // Between them are values that count as zero, and most of these are zero.
  if (low <= 0 && high >= 0) return 0;
  // 2 * low * high / (low + high), without numbers that are too great or too small.
  return low * (2 / (1 + low / high));
}
