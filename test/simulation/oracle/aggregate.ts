import type { ReadingValue } from "../../../domain/reading.ts";
import type { Span, Taken } from "./model.ts";
import { durationUs, fulfils } from "./texts.ts";

/** By observation time, then by arrival. */
export function inOrder(readings: readonly Taken[]): Taken[] {
  return [...readings].sort((a, b) => a.atUs - b.atUs || a.arrival - b.arrival);
}

/** Whether an aggregate accepts texts. The others accept only numbers and booleans. */
export function takesTexts(name: string): boolean {
  return name === "count" || name === "last" || name === "distinct" || name.startsWith("duration(");
}

/** Computed directly from the definitions. `before`: the key's newest reading before the window. */
export function aggregate(
  names: readonly string[],
  readings: readonly Taken[],
  span: Span,
  before: Taken | undefined,
): Record<string, ReadingValue> {
  const sorted = inOrder(readings);
  const result: Record<string, ReadingValue> = {};
  for (const name of names) {
    result[name] =
      sorted.length === 0 && before !== undefined && !name.startsWith("duration(")
        ? ofNothing(name, before)
        : ofReadings(name, sorted, span, before);
  }
  return result;
}

function numberOf(value: ReadingValue): number {
  return typeof value === "string" ? Number.NaN : Number(value);
}

/** In a filled window, the last value still holds. */
function ofNothing(name: string, before: Taken): ReadingValue {
  const zero = ["count", "sum", "range", "delta", "delta_percent", "variance", "stddev"].includes(name);
  if (zero || name.startsWith("rate") || name.startsWith("count_if(")) return 0;
  if (name === "distinct") return 1;
  return typeof before.value === "string" ? before.value : Number(before.value);
}

function ofReadings(name: string, sorted: readonly Taken[], span: Span, before: Taken | undefined): ReadingValue {
  const values = sorted.map(({ value }) => numberOf(value));
  const count = values.length;
  const first = sorted[0];
  const last = sorted.at(-1);
  const inside = /\((.*)\)/.exec(name)?.[1] ?? "";
  if (name.startsWith("count_if(")) return values.filter((value) => fulfils(inside, value)).length;
  if (name.startsWith("duration(")) return secondsIn(inside, sorted, span, before);
  if (first === undefined || last === undefined) throw new RangeError(`${name} of a window without readings`);
  const difference = numberOf(last.value) - numberOf(first.value);
  if (name.startsWith("rate")) {
    const perS = last.atUs === first.atUs ? Number.NaN : difference / ((last.atUs - first.atUs) / 1e6);
    return inside === "" ? perS : perS * (durationUs(inside) / 1e6);
  }
  switch (name) {
    case "count":
      return count;
    case "sum":
      return sumOf(values);
    case "avg":
      return sumOf(values) / count;
    case "min":
      return Math.min(...values);
    case "max":
      return Math.max(...values);
    case "range":
      return Math.max(...values) - Math.min(...values);
    case "first":
      return numberOf(first.value);
    case "last":
      return typeof last.value === "string" ? last.value : Number(last.value);
    case "delta":
      return difference;
    case "delta_percent":
      return numberOf(first.value) === 0 ? Number.NaN : (100 * difference) / Math.abs(numberOf(first.value));
    case "variance":
      return variance(values);
    case "stddev":
      return Math.sqrt(variance(values));
    case "median":
      return quantile(values, 0.5);
    case "distinct":
      return new Set(sorted.map(({ value }) => (typeof value === "string" ? `text ${value}` : Number(value)))).size;
    default:
      return quantile(values, Number(name.slice(1)) / 100);
  }
}

/** Adds in order of size, to lose little precision. */
function sumOf(values: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const value of [...values].sort((a, b) => Math.abs(a) - Math.abs(b))) {
    const next = sum + (value - lost);
    lost = next - sum - (value - lost);
    sum = next;
  }
  return sum;
}

function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = sumOf(values) / values.length;
  return sumOf(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
}

function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

function secondsIn(state: string, sorted: readonly Taken[], span: Span, before: Taken | undefined): number {
  const steps = sorted.map(({ atUs, value }) => ({ fromUs: atUs, value }));
  if (before !== undefined) steps.unshift({ fromUs: span.startUs, value: before.value });
  let us = 0;
  for (const [i, { fromUs, value }] of steps.entries()) {
    if (isInState(value, state)) us += (steps[i + 1]?.fromUs ?? span.endUs) - fromUs;
  }
  return us / 1e6;
}

/** Booleans count as 0 and 1, and 0 and 1 count as booleans. */
function isInState(value: ReadingValue, state: string): boolean {
  if (state === "true") return value === true || value === 1 || value === state;
  if (state === "false") return value === false || value === 0 || value === state;
  return String(value) === state;
}
