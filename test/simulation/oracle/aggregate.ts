import type { ReadingValue } from "../../../domain/reading.ts";
import { courseValue, isOfCourse } from "./course.ts";
import type { CourseRules, Span, Taken } from "./model.ts";
import { durationUs, fulfils } from "./texts.ts";

/** By observation time, then by arrival. */
export function inOrder(readings: readonly Taken[]): Taken[] {
  return [...readings].sort((a, b) => a.atUs - b.atUs || a.arrival - b.arrival);
}

/** Whether an aggregate accepts texts. The others accept only numbers and booleans. */
export function takesTexts(name: string): boolean {
  if (/^(?:duration|transitions)\(/.test(name)) return true;
  // Compares with a text: neither a number nor a boolean.
  if (name.startsWith("count_if("))
    return /^count_if\(\s*[!=]=\s*["'A-Za-z_]/.test(name) && !/\b(?:true|false)\b/.test(name);
  return ["count", "last", "distinct", "changes"].includes(name);
}

/** Computed directly from the definitions. `before`: the key's newest reading before the window. */
export function aggregate(
  names: readonly string[],
  readings: readonly Taken[],
  span: Span,
  before: Taken | undefined,
  rules: CourseRules,
): Record<string, ReadingValue> {
  const sorted = inOrder(readings);
  const result: Record<string, ReadingValue> = {};
  for (const name of names) {
    if (sorted.length === 0 && before !== undefined && !IS_OVER_TIME.test(name)) result[name] = ofNothing(name, before);
    else if (isOfCourse(name)) result[name] = courseValue(name, sorted, { span, before, rules });
    else result[name] = ofReadings(name, sorted);
  }
  return result;
}

const IS_OVER_TIME = /^(?:duration\(|integral\(|time_avg$|mkt$)/;

function numberOf(value: ReadingValue): number {
  return typeof value === "string" ? Number.NaN : Number(value);
}

/** In a filled window, the last value still holds. */
function ofNothing(name: string, before: Taken): ReadingValue {
  const zero = [
    "count",
    "sum",
    "range",
    "delta",
    "delta_percent",
    "variance",
    "stddev",
    "increase",
    "changes",
  ].includes(name);
  if (/^(?:counter_rate|transitions)/.test(name)) return 0;
  if (zero || name.startsWith("rate") || name.startsWith("count_if(")) return 0;
  if (name === "distinct") return 1;
  return typeof before.value === "string" ? before.value : Number(before.value);
}

function ofReadings(name: string, sorted: readonly Taken[]): ReadingValue {
  const values = sorted.map(({ value }) => numberOf(value));
  const count = values.length;
  const first = sorted[0];
  const last = sorted.at(-1);
  const inside = /\((.*)\)/.exec(name)?.[1] ?? "";
  if (name.startsWith("count_if(")) return sorted.filter(({ value }) => fulfils(inside, plain(value))).length;
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

/** Booleans count as 0 and 1. */
function plain(value: ReadingValue): number | string {
  return typeof value === "string" ? value : Number(value);
}
