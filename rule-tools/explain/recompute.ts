import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { holds } from "../../rule-language/conditions/condition.ts";

/** A reading of a window; booleans as 0 and 1. */
export interface Sample {
  readonly atUs: number;
  readonly value: number | string;
}

interface Window {
  readonly startUs: number;
  readonly endUs: number;
  readonly prior?: number | string | undefined;
}

/** Beyond these the gateway keeps a sketch: see docs/windows.md. */
export const QUANTILE_EXACT_MAX = 64;
export const DISTINCT_EXACT_MAX = 4_096;

/**
 * An aggregate straight from its words in docs/windows.md, over the readings of a window in the order of their arrival. Slow and
 * plain on purpose: it checks what the step says. Undefined where there is no value. `prior`: the state that the window began with.
 */
export function recompute(
  aggregate: Aggregate,
  arrived: readonly Sample[],
  window: Window,
): number | string | undefined {
  const samples = arrived.toSorted((a, b) => a.atUs - b.atUs);
  const values = samples.map(({ value }) => value);
  const numbers = values.filter((value) => typeof value === "number");
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return recomputeNothing(aggregate, window);
  switch (aggregate.kind) {
    case "count":
      return samples.length;
    case "distinct":
      return new Set(values).size;
    case "duration":
      return secondsIn(aggregate.state, samples, window);
    case "first":
      return first.value;
    case "last":
      return last.value;
    case "count_if":
      return values.filter((value) => holds(aggregate.condition, value)).length;
    case "sum":
      return sum(numbers);
    case "avg":
      return sum(numbers) / numbers.length;
    case "min":
      return Math.min(...numbers);
    case "max":
      return Math.max(...numbers);
    case "range":
      return Math.max(...numbers) - Math.min(...numbers);
    case "delta":
      return Number(last.value) - Number(first.value);
    case "delta_percent":
      return Number(first.value) === 0
        ? Number.NaN
        : (100 * (Number(last.value) - Number(first.value))) / Math.abs(Number(first.value));
    case "rate":
      return last.atUs === first.atUs
        ? Number.NaN
        : ((Number(last.value) - Number(first.value)) / ((last.atUs - first.atUs) / 1e6)) * aggregate.perSeconds;
    case "variance":
      return variance(numbers);
    case "stddev":
      return Math.sqrt(variance(numbers));
    case "quantile":
      return quantile(numbers, aggregate.rank);
  }
}

/** Of a window without readings. */
function recomputeNothing(aggregate: Aggregate, window: Window): number | undefined {
  if (aggregate.kind === "duration") return secondsIn(aggregate.state, [], window);
  return aggregate.kind === "count" || aggregate.kind === "distinct" ? 0 : undefined;
}

/** Whether two values are the same but for rounding. `scale`: the size of what was summed up. */
export function agrees(a: number | string, b: number | string | undefined, scale: number): boolean {
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), scale);
}

/** Smallest first within their sign: the exact sum but for the last digits. */
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

function secondsIn(
  state: string,
  samples: readonly Sample[],
  {
    startUs,
    endUs,
    prior,
  }: { readonly startUs: number; readonly endUs: number; readonly prior?: number | string | undefined },
): number {
  const moments = [...(prior === undefined ? [] : [{ atUs: startUs, value: prior }]), ...samples];
  let inUs = 0;
  for (const [i, { atUs, value }] of moments.entries()) {
    const isIn =
      typeof value === "string"
        ? value === state
        : state === "true"
          ? value === 1
          : state === "false"
            ? value === 0
            : value === Number(state);
    if (isIn) inUs += (moments[i + 1]?.atUs ?? endUs) - atUs;
  }
  return inUs / 1e6;
}
