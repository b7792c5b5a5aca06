import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Condition, holds } from "../../rule-language/conditions/condition.ts";

/** A reading of a window. Booleans are 0 and 1. */
export interface Sample {
  readonly atUs: number;
  readonly value: number | string;
}

interface Window {
  readonly startUs: number;
  readonly endUs: number;
  /** The key's newest reading before the window. */
  readonly before?: Sample | undefined;
  /** How long a value holds; without it, until the next reading. */
  readonly carryUs?: number;
  /** The greatest value of a counter. */
  readonly counterMax?: number | undefined;
}

/** Beyond these numbers of values, the engine keeps a sketch (docs/windows.md). */
export const QUANTILE_EXACT_MAX = 64;
export const DISTINCT_EXACT_MAX = 4_096;

/** The readings of a window in event-time order. Readings of one instant are in the order of arrival. */
class Samples {
  readonly all: readonly Sample[];
  readonly numbers: readonly number[];

  constructor(arrived: readonly Sample[]) {
    this.all = arrived.toSorted((a, b) => a.atUs - b.atUs);
    this.numbers = this.all.map(({ value }) => value).filter((value) => typeof value === "number");
  }

  get first(): Sample | undefined {
    return this.all[0];
  }

  get last(): Sample | undefined {
    return this.all.at(-1);
  }

  /** The values with the earliest and the latest time. */
  get delta(): number {
    return Number(this.last?.value) - Number(this.first?.value);
  }
}

type Kind = Aggregate["kind"];
type OfKind<K extends Kind> = Extract<Aggregate, { readonly kind: K }>;
/** Undefined if there is no value. Called without readings only for the kinds in `OF_NOTHING`. */
type Definition<A> = (samples: Samples, aggregate: A, window: Window) => number | string | undefined;

/**
 * Each aggregate, computed directly from docs/windows.md. Slow and simple, because it checks the engine's incremental
 * computation.
 */
const DEFINITIONS: { readonly [K in Kind]: Definition<OfKind<K>> } = {
  count: ({ all }) => all.length,
  sum: ({ numbers }) => sum(numbers),
  avg: ({ numbers }) => sum(numbers) / numbers.length,
  min: ({ numbers }) => least(numbers),
  max: ({ numbers }) => greatest(numbers),
  range: ({ numbers }) => greatest(numbers) - least(numbers),
  first: ({ first }) => first?.value,
  last: ({ last }) => last?.value,
  delta: ({ delta }) => delta,
  delta_percent({ first, delta }) {
    const base = Number(first?.value);
    return base === 0 ? Number.NaN : (100 * delta) / Math.abs(base);
  },
  rate({ first, last, delta }, { perSeconds }) {
    const seconds = ((last?.atUs ?? 0) - (first?.atUs ?? 0)) / 1e6;
    return seconds === 0 ? Number.NaN : (delta / seconds) * perSeconds;
  },
  variance: ({ numbers }) => variance(numbers),
  stddev: ({ numbers }) => Math.sqrt(variance(numbers)),
  quantile: ({ numbers }, { rank }) => quantile(numbers, rank),
  distinct: ({ all }) => new Set(all.map(({ value }) => value)).size,
  count_if: ({ all }, { condition }) => all.filter(({ value }) => holds(condition, value)).length,
  duration({ all }, { state, condition }, window) {
    const is = (value: number | string) => (condition === undefined ? isState(value, state) : holds(condition, value));
    return sum(held(all, window).map(({ value, us }) => (is(value) ? us : 0))) / 1e6;
  },
  time_avg({ all }, _, window) {
    const times = held(all, window);
    return sum(times.map(({ value, us }) => Number(value) * us)) / sum(times.map(({ us }) => us));
  },
  integral({ all }, { condition, unitUs }, window) {
    const times = held(all, window);
    if (times.length === 0) return Number.NaN;
    const excess = (value: number) => (condition === undefined ? value : beyond(condition, value));
    return sum(times.map(({ value, us }) => excess(Number(value)) * (us / unitUs)));
  },
  mkt({ all }, _, window) {
    const times = held(all, window);
    const knownUs = sum(times.map(({ us }) => us));
    const speeds = times.map(({ value, us }) => Math.exp(-83.144e3 / (8.3144 * (Number(value) + 273.15))) * us);
    return -83.144e3 / 8.3144 / Math.log(sum(speeds) / knownUs) - 273.15;
  },
  increase({ all }, _, window) {
    const counted = steps(all, window);
    return counted.length === 0 ? Number.NaN : sum(counted);
  },
  counter_rate({ all, first, last }, { perSeconds }, window) {
    const counted = steps(all, window);
    const seconds = ((last?.atUs ?? 0) - (window.before?.atUs ?? first?.atUs ?? 0)) / 1e6;
    return counted.length === 0 || seconds === 0 ? Number.NaN : (sum(counted) / seconds) * perSeconds;
  },
  changes: ({ all }, _, { before }) =>
    all.filter(({ value }, i) => value !== (i === 0 ? before : all[i - 1])?.value).length,
  transitions({ all }, { from, to }, { before }) {
    const changes = all.map(({ value }, i) => ({ from: (i === 0 ? before : all[i - 1])?.value, to: value }));
    const isFrom = (value: number | string | undefined) =>
      from === undefined || (value !== undefined && isState(value, from));
    return changes.filter(
      (each) => each.from !== each.to && isFrom(each.from) && (to === undefined || isState(each.to, to)),
    ).length;
  },
};

/** Kinds that have a value without readings. */
const OF_NOTHING: readonly Kind[] = ["count", "distinct", "duration", "changes", "transitions"];

/** Computes an aggregate over a window's readings, in the order of arrival. Undefined if it has no value. */
export function recompute(
  aggregate: Aggregate,
  arrived: readonly Sample[],
  window: Window,
): number | string | undefined {
  return ofKind(aggregate.kind, aggregate, arrived, window);
}

function ofKind<K extends Kind>(kind: K, aggregate: OfKind<K>, arrived: readonly Sample[], window: Window) {
  if (arrived.length === 0 && !OF_NOTHING.includes(kind)) return undefined;
  const definition: Definition<OfKind<K>> = DEFINITIONS[kind];
  return definition(new Samples(arrived), aggregate, window);
}

/** Whether two values are equal except for rounding. `scale`: the magnitude of the summands. */
export function agrees(a: number | string, b: number | string | undefined, scale: number): boolean {
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), scale);
}

// Not `Math.min(...values)`: a call takes about 125,000 arguments.
function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function greatest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}

/** Compensated (Neumaier), so that only the last digits can be wrong. */
function sum(values: readonly number[]): number {
  let total = 0;
  let rest = 0;
  for (const value of values) {
    const next = total + value;
    rest += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + rest;
}

function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = sum(values) / values.length;
  return sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
}

function quantile(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = rank * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** The values that hold in a window, each with the time for which it does. */
function held(samples: readonly Sample[], { startUs, endUs, before, carryUs = Number.POSITIVE_INFINITY }: Window) {
  const moments = [...(before === undefined ? [] : [before]), ...samples];
  return moments
    .map(({ atUs, value }, i) => {
      const untilUs = Math.min(moments[i + 1]?.atUs ?? endUs, atUs + carryUs);
      return { value, us: untilUs - Math.max(atUs, startUs) };
    })
    .filter(({ us }) => us > 0);
}

/** What a counter counted between each two readings. */
function steps(samples: readonly Sample[], { before, counterMax }: Window): number[] {
  const values = [...(before === undefined ? [] : [before]), ...samples].map(({ value }) => Number(value));
  return values.slice(1).map((after, i) => {
    const from = values[i] as number;
    if (after >= from) return after - from;
    return counterMax !== undefined && from <= counterMax ? counterMax - from + 1 + after : after;
  });
}

/** How far a value is beyond the limit of a condition. */
function beyond(condition: Condition, value: number): number {
  if (!holds(condition, value)) return 0;
  if (condition.kind === "outside") return Math.max(condition.low - value, value - condition.high);
  return condition.kind === "compare" ? Math.abs(value - condition.limit) : 0;
}

function isState(value: number | string, state: string): boolean {
  if (typeof value === "string") return value === state;
  if (state === "true" || state === "false") return value === Number(state === "true");
  return value === Number(state);
}
