import type { ReadingValue } from "../../../domain/reading.ts";
import type { CourseRules, Span, Taken } from "./model.ts";
import { durationUs, fulfils } from "./texts.ts";

/** Aggregates over the course of a key's value ("Values over time" in docs/windows.md). */

const COURSE = /^(?:duration\(|integral\(|transitions\(|counter_rate|time_avg$|mkt$|increase$|changes$)/;

interface Around {
  readonly span: Span;
  /** The key's newest reading before the window. */
  readonly before: Taken | undefined;
  readonly rules: CourseRules;
}

/** A value, and the time in the window for which it holds. */
interface Held {
  readonly value: number | string;
  readonly us: number;
}

export function isOfCourse(name: string): boolean {
  return COURSE.test(name);
}

export function courseOf(rule: {
  readonly aggregate: readonly string[];
  readonly carry?: string | undefined;
  readonly max_value?: number | undefined;
}): CourseRules {
  return {
    matters: rule.aggregate.some(isOfCourse),
    carryUs: rule.carry === undefined ? Number.POSITIVE_INFINITY : durationUs(rule.carry),
    counterMax: rule.max_value,
  };
}

export function courseValue(name: string, sorted: readonly Taken[], around: Around): number {
  const inside = /\((.*)\)/.exec(name)?.[1] ?? "";
  const all = around.before === undefined ? sorted : [around.before, ...sorted];
  if (name === "changes" || name.startsWith("transitions(")) {
    const [from = "", to = ""] = name === "changes" ? ["*", "*"] : inside.split("->").map((part) => part.trim());
    return sorted.filter((reading) => {
      const previous = all[all.indexOf(reading) - 1];
      if (previous !== undefined && plain(previous.value) === plain(reading.value)) return false;
      return (
        (from === "*" || (previous !== undefined && isIn(previous.value, from))) &&
        (to === "*" || isIn(reading.value, to))
      );
    }).length;
  }
  if (name === "increase" || name.startsWith("counter_rate")) {
    if (all.length < 2) return Number.NaN;
    const counted = increase(
      all.map(({ value }) => Number(value)),
      around.rules.counterMax,
    );
    if (name === "increase") return counted;
    const seconds = ((all.at(-1)?.atUs ?? 0) - (all[0]?.atUs ?? 0)) / 1e6;
    if (seconds === 0) return Number.NaN;
    return (counted / seconds) * (inside === "" ? 1 : durationUs(inside) / 1e6);
  }
  return overTime(name, inside, heldIn(all, around));
}

function increase(values: readonly number[], counterMax: number | undefined): number {
  let sum = 0;
  for (let i = 1; i < values.length; i++) {
    const [before = 0, after = 0] = [values[i - 1], values[i]];
    if (before <= after) sum += after - before;
    else if (counterMax === undefined || before > counterMax) sum += after;
    else sum += counterMax - before + 1 + after;
  }
  return sum;
}

function overTime(name: string, inside: string, held: readonly Held[]): number {
  const total = (of: (value: number) => number) => held.reduce((sum, { value, us }) => sum + of(Number(value)) * us, 0);
  const knownUs = total(() => 1);
  if (name.startsWith("duration(")) {
    const isCondition = /^(?:[<>=!]|between |outside )/.test(inside);
    const isTrue = ({ value }: Held) => (isCondition ? meets(inside, value) : isIn(value, inside));
    return held.filter(isTrue).reduce((sum, { us }) => sum + us, 0) / 1e6;
  }
  if (knownUs === 0) return Number.NaN;
  if (name === "time_avg") return total((value) => value) / knownUs;
  if (name === "mkt") {
    const mean = total((value) => Math.exp(-10_000 / (value + 273.15))) / knownUs;
    return -10_000 / Math.log(mean) - 273.15;
  }
  const [unit = "", condition] = inside
    .split(",")
    .map((part) => part.trim())
    .reverse();
  const excess = (value: number) =>
    condition === undefined ? value : fulfils(condition, value) ? distance(condition, value) : 0;
  return total(excess) / durationUs(unit);
}

/** A text is never equal to a number, and neither greater nor less. */
export function meets(condition: string, value: number | string): boolean {
  const isOfNumbers = /^(?:[<>=!]=?|between|outside)\s*[-+.\d]/.test(condition);
  return typeof value === "string" && isOfNumbers ? condition.startsWith("!=") : fulfils(condition, value);
}

/** The distance of a value from the nearest limit that a condition names. */
function distance(condition: string, value: number): number {
  const limits = condition.match(/-?\d+(?:\.\d+)?/g) ?? [];
  return Math.min(...limits.map((limit) => Math.abs(value - Number(limit))));
}

function heldIn(all: readonly Taken[], { span, rules }: Around): Held[] {
  return all.flatMap(({ atUs, value }, i) => {
    const untilUs = Math.min(all[i + 1]?.atUs ?? span.endUs, atUs + rules.carryUs, span.endUs);
    const us = untilUs - Math.max(atUs, span.startUs);
    return us > 0 ? [{ value: plain(value), us }] : [];
  });
}

function plain(value: ReadingValue): number | string {
  return typeof value === "string" ? value : Number(value);
}

/** Booleans count as 0 and 1, and 0 and 1 count as booleans. */
function isIn(value: ReadingValue, state: string): boolean {
  if (state === "true") return value === true || value === 1 || value === state;
  if (state === "false") return value === false || value === 0 || value === state;
  return String(plain(value)) === state;
}
