import { parseDurationUs, US_PER_DAY, US_PER_SECOND } from "../../domain/time.ts";
import { type BareFaultOf, isFault } from "../../platform/files/fault.ts";
import { suggestDuration } from "../../platform/files/suggest-duration.ts";
import { type Condition, parseCondition } from "../conditions/condition.ts";
import { suggestCondition } from "../conditions/suggest-condition.ts";
import { ANY_NUMBER, NOT_NEGATIVE, type ValueDomain, WHOLE } from "../conditions/value-domain.ts";
import type { AggregateFacts } from "./aggregate-texts.ts";

/**
 * Every aggregate of the language, once: its syntax, its meaning, and the values that it accepts and returns. The
 * parser, the JSON Schema, the reference, suggestions and warnings derive from this table.
 * `engine/aggregates/aggregates.ts` computes the aggregates, and `rule-tools/explain/recompute.ts` computes them a
 * second time, slowly. Both fail to compile without an entry, and `rule-tools/explain/recompute.test.ts` compares
 * them over this table.
 */

/** Facts about a window that affect the values of an aggregate, in addition to its readings. */
export interface WindowAbout {
  /** With `fill: last`, a window may have no readings. */
  readonly isFilled: boolean;
  /** The size of a `count` window. */
  readonly readings: number | undefined;
  /** The length of a tumbling window. */
  readonly lengthUs: number | undefined;
}

export const ANY_WINDOW: WindowAbout = { isFilled: false, readings: undefined, lengthUs: undefined };

export interface AggregateDefinition {
  /** Names that editors complete. */
  readonly names: readonly [string, ...string[]];
  /** The syntax in the reference, if the names do not show it. */
  readonly forms?: readonly string[];
  /** The exact definition, over readings `(t, v)` in event-time order. */
  readonly doc: string;
  readonly examples?: readonly { readonly value: unknown; readonly meaning: string }[];
  /** For the JSON Schema: the pattern of a form with an argument. */
  readonly pattern?: string;
  /** Names in other tools, in lower case and without blanks, `-` and `_`, each with the form to write here. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** Can be computed over texts, too. */
  readonly takesTexts?: true;
  /** Needs tumbling windows. */
  readonly tumblingOnly?: true;
  /** Rarely equals a given number exactly, so comparing for equality is a mistake. */
  readonly isComputed?: true;
  /** Subtracts one reading from another, which is only meaningful for a single device. */
  readonly isDifference?: true;
  /** Meaningful over several metrics together. */
  readonly mixesMetrics?: true;
  values(about: WindowAbout): ValueDomain;
  /** Undefined: the text names another aggregate. */
  read(text: string): { readonly name: string; readonly kind: string } | AggregateFault | undefined;
  /** The correct form of a text that is nearly this aggregate, with its argument. */
  suggest?(text: string): string | undefined;
}

export type AggregateFault = BareFaultOf<AggregateFacts>;
type Read<Kind extends string, Parameters = unknown> =
  | ({ readonly name: string; readonly kind: Kind } & Parameters)
  | AggregateFault
  | undefined;

function plain<Kind extends string>(kind: Kind, definition: Omit<AggregateDefinition, "names" | "read">) {
  const read = (text: string): Read<Kind> => (text === kind ? { name: text, kind } : undefined);
  return { names: [kind], ...definition, read } as const;
}

const any = () => ANY_NUMBER;
const notNegative = () => NOT_NEGATIVE;

/** A rate per more than this is a mistake. */
const PER_US_MAX = 366 * US_PER_DAY;

export const AGGREGATES = {
  count: plain("count", {
    doc: "Number of readings.",
    takesTexts: true,
    mixesMetrics: true,
    values: ({ isFilled, readings = 1 }) => ({ ...WHOLE, min: isFilled ? 0 : readings }),
  }),
  sum: plain("sum", { doc: "Compensated sum.", synonyms: { total: "sum" }, values: any }),
  avg: plain("avg", {
    doc: "`sum / count`.",
    examples: [{ value: "avg", meaning: "the mean" }],
    synonyms: { average: "avg", mean: "avg" },
    isComputed: true,
    values: any,
  }),
  min: plain("min", { doc: "Smallest value.", synonyms: { minimum: "min" }, values: any }),
  max: plain("max", {
    doc: "Greatest value.",
    examples: [{ value: ["p95", "max", "count"], meaning: "three figures; the condition uses p95" }],
    synonyms: { maximum: "max", p100: "max" },
    values: any,
  }),
  range: plain("range", { doc: "`max - min`.", synonyms: { spread: "range" }, values: notNegative }),
  first: plain("first", {
    doc: "Value with the earliest time. If several series have equal times, the value that arrived first.",
    synonyms: { oldest: "first" },
    values: any,
  }),
  last: plain("last", {
    doc: "Value with the latest time. If several series have equal times, the value that arrived last.",
    synonyms: { newest: "last", latest: "last" },
    takesTexts: true,
    values: () => ({ ...ANY_NUMBER, texts: true }),
  }),
  delta: plain("delta", {
    doc: "`last - first`.",
    synonyms: { difference: "delta", diff: "delta", change: "delta", increase: "delta" },
    isDifference: true,
    values: any,
  }),
  delta_percent: plain("delta_percent", {
    doc: "`100 * (last - first) / abs(first)`. No value (NaN) if `first` is 0.",
    examples: [
      { value: "delta_percent", meaning: "change from the window's first to its last value, in percent of the first" },
    ],
    synonyms: {
      percentchange: "delta_percent",
      changepercent: "delta_percent",
      percent: "delta_percent",
      pctchange: "delta_percent",
      growth: "delta_percent",
    },
    isComputed: true,
    isDifference: true,
    values: any,
  }),
  rate: {
    names: ["rate"],
    forms: ["rate", "rate(1m)"],
    doc: "`(last - first) / (time of last - time of first)`, per second, or per the duration in brackets, independent of the window's length. No value (NaN) if the times are equal.",
    examples: [{ value: "rate(1h)", meaning: "how fast it changes, per hour" }],
    pattern: "rate\\(\\s*(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+\\s*\\)",
    synonyms: {
      derivative: "rate",
      deriv: "rate",
      persecond: "rate",
      perminute: "rate(1m)",
      perhour: "rate(1h)",
      perday: "rate(1d)",
      rateperminute: "rate(1m)",
      rateperhour: "rate(1h)",
      rateperday: "rate(1d)",
    },
    isComputed: true,
    isDifference: true,
    values: any,
    read(name): Read<"rate", { readonly perSeconds: number }> {
      if (name === "rate") return { name, kind: "rate", perSeconds: 1 };
      const argument = argumentOf("rate", name);
      if (argument === undefined) return undefined;
      const perUs = parseDurationUs(argument);
      if (perUs !== undefined && perUs > 0 && perUs <= PER_US_MAX)
        return { name, kind: "rate", perSeconds: perUs / US_PER_SECOND };
      const wanted = perUs === undefined ? "a duration" : "a time for a rate";
      return { code: "bad_argument", facts: { text: name, argument, wanted, meant: suggestRate(name) } };
    },
    suggest: suggestRate,
  },
  variance: plain("variance", {
    doc: "Sample variance (n - 1). 0 for one reading.",
    synonyms: { var: "variance" },
    isComputed: true,
    values: notNegative,
  }),
  stddev: plain("stddev", {
    doc: "Square root of `variance`.",
    synonyms: { std: "stddev", stdev: "stddev" },
    isComputed: true,
    values: notNegative,
  }),
  quantile: {
    names: ["median", "p50", "p90", "p95", "p99"],
    forms: ["median", "p95", "p99.9"],
    doc: "Quantile with linear interpolation between order statistics. Exact up to 64 readings. Beyond that, estimated with a relative error of at most 1 %.",
    pattern: "p\\d{1,2}(\\.\\d{1,3})?",
    isComputed: true,
    values: any,
    read(name): Read<"quantile", { readonly rank: number }> {
      if (name === "median") return { name, kind: "quantile", rank: 0.5 };
      const percent = /^p(\d{1,2}(?:\.\d{1,3})?)$/.exec(name)?.[1];
      return percent === undefined ? undefined : { name, kind: "quantile", rank: Number(percent) / 100 };
    },
    suggest(text) {
      const [, before, after] =
        /^(?:p|q|percentile|quantile|perc)\(?(\d{1,2}(?:\.\d{1,3})?)(?:th)?\)?$|^(\d{1,2})(?:th)?(?:p|percentile)$/.exec(
          plainWord(text),
        ) ?? [];
      return before === undefined && after === undefined ? undefined : `p${before ?? after}`;
    },
  },
  distinct: plain("distinct", {
    doc: "Number of distinct values. Exact up to 4,096. Beyond that, estimated with a standard error of 1.6 %.",
    synonyms: { unique: "distinct", countdistinct: "distinct" },
    takesTexts: true,
    mixesMetrics: true,
    values: () => ({ ...WHOLE, min: 1 }),
  }),
  count_if: {
    names: ["count_if(> 5)"],
    doc: "Number of readings for which the condition holds.",
    examples: [{ value: "count_if(> 5)", meaning: "how many readings are above 5" }],
    pattern: "count_if\\(.+\\)",
    values: () => WHOLE,
    read(name): Read<"count_if", { readonly condition: Condition }> {
      const argument = argumentOf("count_if", name);
      if (argument === undefined) return undefined;
      const condition = parseCondition(argument);
      if (!isFault(condition)) return { name, kind: "count_if", condition };
      const meant = suggestCountIf(name);
      return { code: "bad_argument", facts: { text: name, argument, wanted: "a condition", meant } };
    },
    suggest: suggestCountIf,
  },
  duration: {
    names: ["duration(open)"],
    doc: "Seconds spent in a state. A reading's state lasts until the next reading, or until the window's end. The window begins with the state of the key's newest earlier reading. Without one, nothing counts until the first reading. Tumbling windows only.",
    examples: [{ value: "duration(open)", meaning: "for how many seconds the state was open" }],
    pattern: "duration\\(.+\\)",
    takesTexts: true,
    tumblingOnly: true,
    values: ({ lengthUs = Number.POSITIVE_INFINITY }) => ({ ...NOT_NEGATIVE, max: lengthUs / US_PER_SECOND }),
    read(name): Read<"duration", { readonly state: string }> {
      const state = argumentOf("duration", name);
      return state === undefined ? undefined : { name, kind: "duration", state: unquoted(state) };
    },
    suggest(text) {
      const state = /^duration\s*[:(]?\s*(.*?)\)?$/i.exec(text.trim())?.[1];
      return state ? `duration(${state})` : undefined;
    },
  },
} as const satisfies Readonly<Record<string, AggregateDefinition>>;

export type AggregateKind = keyof typeof AGGREGATES;

function argumentOf(call: string, text: string): string | undefined {
  const isCall = text.startsWith(`${call}(`) && text.endsWith(")");
  const argument = isCall ? text.slice(call.length + 1, -1).trim() : "";
  return argument === "" ? undefined : argument;
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}

export function plainWord(text: string): string {
  return text.toLowerCase().replace(/[\s_-]/g, "");
}

/** Corrects `rate per hour`, `rate/min` and `rate(5)`. */
function suggestRate(text: string): string | undefined {
  const per = /^(?:rate|derivative)(?:_?per_?|[([/\s]+)\s*(.*?)[)\]]?$/i.exec(text.trim())?.[1];
  if (per === undefined) return undefined;
  const unit = /[a-zµ]/i.test(per) ? "" : "s";
  const every = suggestDuration(/\d/.test(per) ? `${per}${unit}` : `1${per}`);
  const perUs = parseDurationUs(every ?? "") ?? 0;
  return perUs > 0 && perUs <= PER_US_MAX ? `rate(${every})` : "rate(1m)";
}

/** Corrects `count_if > 5` and `countif(above 5)`. */
function suggestCountIf(text: string): string | undefined {
  const inner = /^count_?if\s*[:(]?\s*(.*?)\)?$/i.exec(text.trim())?.[1];
  const condition = inner === undefined ? undefined : suggestCondition(inner);
  return condition === undefined ? undefined : `count_if(${condition})`;
}
