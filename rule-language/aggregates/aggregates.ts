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
  /** Can be computed over texts, too: always, or if its condition compares with a text. */
  readonly takesTexts?: true | "by condition";
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
    synonyms: { difference: "delta", diff: "delta", change: "delta" },
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
    read: (name) => readRate("rate", name),
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
    doc: "Quantile with linear interpolation between order statistics. Exact up to 64 readings. Beyond that, each order statistic is estimated, between min and max, with an error of at most 1 % of the value and of at most 1 % of the range `max - min`.",
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
    takesTexts: "by condition",
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
    forms: ["duration(open)", "duration(> 8)"],
    doc: "Seconds spent in a state, or while a condition holds, as far as the value is [known](windows.md#values-over-time). 0 if it is never known.",
    examples: [
      { value: "duration(open)", meaning: "for how many seconds the state was open" },
      { value: "duration(> 8)", meaning: "for how many seconds the value was above 8" },
    ],
    pattern: "duration\\(.+\\)",
    takesTexts: true,
    values: ({ lengthUs = Number.POSITIVE_INFINITY }) => ({ ...NOT_NEGATIVE, max: lengthUs / US_PER_SECOND }),
    read(name): Read<"duration", { readonly state: string; readonly condition: Condition | undefined }> {
      const state = argumentOf("duration", name);
      if (state === undefined) return undefined;
      const condition = parseCondition(state);
      if (!isFault(condition)) return { name, kind: "duration", state, condition };
      if (!LOOKS_LIKE_CONDITION.test(state))
        return { name, kind: "duration", state: unquoted(state), condition: undefined };
      const meant = `duration(${suggestCondition(state) ?? "> 8"})`;
      return { code: "bad_argument", facts: { text: name, argument: state, wanted: "a condition", meant } };
    },
    suggest(text) {
      const state = /^duration\s*[:(]?\s*(.*?)\)?$/i.exec(text.trim())?.[1];
      return state ? `duration(${state})` : undefined;
    },
  },
  time_avg: plain("time_avg", {
    doc: "Mean over time: `integral of v dt / known time`. Each value counts for as long as it holds, as far as it is [known](windows.md#values-over-time). No value (NaN) if it is never known.",
    examples: [{ value: "time_avg", meaning: "the mean of a sensor that reports only changes" }],
    synonyms: { timeweightedavg: "time_avg", timeweightedaverage: "time_avg", twa: "time_avg", timemean: "time_avg" },
    isComputed: true,
    values: any,
  }),
  integral: {
    names: ["integral(1h)", "integral(> 8, 1h)"],
    doc: "`integral of v dt`, with the time in the given unit: `integral(1h)` of watts is watt-hours. With a condition, `v` is the distance from its limit while it holds, otherwise 0: `integral(> 8, 1h)` is degree-hours above 8. As far as the value is [known](windows.md#values-over-time); no value (NaN) if it never is.",
    examples: [
      { value: "integral(1h)", meaning: "watt-hours, from watts" },
      { value: "integral(> 8, 1h)", meaning: "degree-hours above 8" },
    ],
    pattern: "integral\\(.+\\)",
    synonyms: {
      energy: "integral(1h)",
      wh: "integral(1h)",
      watthours: "integral(1h)",
      degreehours: "integral(> 8, 1h)",
    },
    isComputed: true,
    values: any,
    read(name): Read<"integral", { readonly unitUs: number; readonly condition: Condition | undefined }> {
      const argument = argumentOf("integral", name);
      if (argument === undefined) return undefined;
      const [, before, unit = ""] = /^(?:(.*?)\s*,\s*)?([^,]*)$/.exec(argument) ?? [];
      const unitUs = parseDurationUs(unit);
      const condition = before === undefined ? undefined : parseCondition(before);
      const wrong = (text: string, wanted: string, meant: string) =>
        ({ code: "bad_argument", facts: { text: name, argument: text, wanted, meant } }) as const;
      if (unitUs === undefined || unitUs <= 0)
        return wrong(unit, "a unit of time", `integral(${before === undefined ? "" : `${before}, `}1h)`);
      if (condition === undefined) return { name, kind: "integral", unitUs, condition };
      if (isFault(condition) || !hasDistance(condition))
        return wrong(before ?? "", "a limit", `integral(> 8, ${unit})`);
      return { name, kind: "integral", unitUs, condition };
    },
    suggest: (text) => (/^integral\b/i.test(text.trim()) ? "integral(1h)" : undefined),
  },
  mkt: plain("mkt", {
    doc: "Mean kinetic temperature in °C, of temperatures in °C: `E / -ln(integral of exp(-E / T) dt / known time)`, with `T` in kelvins (°C + 273.15) and `E = 83.144 kJ/mol / 8.3144 J/(mol K) = 10,000 K`, as in USP <1079>. As far as the value is [known](windows.md#values-over-time); no value (NaN) if it never is.",
    examples: [{ value: "mkt", meaning: "mean kinetic temperature of stored medicines" }],
    synonyms: { meankinetictemperature: "mkt", kineticmean: "mkt" },
    isComputed: true,
    values: any,
  }),
  increase: plain("increase", {
    doc: "What a counter counted: the sum of the steps of its value, from the key's newest reading before the window on. A step down is a counter that began at 0 again and counts as the value after it; with `max_value`, as `max_value - before + 1 + after` (as Graphite's nonNegativeDerivative). No value (NaN) without a step.",
    examples: [{ value: "increase", meaning: "what a counter counted, across resets" }],
    isDifference: true,
    values: notNegative,
  }),
  counter_rate: {
    names: ["counter_rate"],
    forms: ["counter_rate", "counter_rate(1h)"],
    doc: "`increase / time`, per second, or per the duration in brackets. The time is that from the key's newest reading before the window (without one, from the window's first) to its last. No value (NaN) if it is 0.",
    examples: [{ value: "counter_rate(1h)", meaning: "how fast a counter counts, per hour" }],
    pattern: "counter_rate\\(\\s*(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+\\s*\\)",
    synonyms: { irate: "counter_rate", counterrate: "counter_rate" },
    isComputed: true,
    isDifference: true,
    values: notNegative,
    read: (name) => readRate("counter_rate", name),
  },
  changes: plain("changes", {
    doc: "Number of readings whose value is not that of the key's reading before, also of its newest reading before the window. A key's first reading counts.",
    examples: [{ value: "changes", meaning: "how often a state changed" }],
    takesTexts: true,
    values: () => WHOLE,
  }),
  transitions: {
    names: ["transitions(running -> fault)"],
    forms: ["transitions(running -> fault)", "transitions(* -> open)"],
    doc: "Number of changes straight from one state to another. `*` is any state. A key's first reading comes from `*`.",
    examples: [
      { value: "transitions(running -> fault)", meaning: "how often it failed while running" },
      { value: "transitions(* -> open)", meaning: "how often it opened" },
    ],
    pattern: "transitions\\(.+->.+\\)",
    synonyms: { opened: "transitions(* -> open)", openings: "transitions(* -> open)" },
    takesTexts: true,
    values: () => WHOLE,
    read(name): Read<"transitions", { readonly from: string | undefined; readonly to: string | undefined }> {
      const argument = argumentOf("transitions", name);
      if (argument === undefined) return undefined;
      const [from = "", to = "", ...more] = argument.split("->").map((part) => part.trim());
      if (from !== "" && to !== "" && more.length === 0)
        return { name, kind: "transitions", from: stateOrAny(from), to: stateOrAny(to) };
      const meant = "transitions(running -> fault)";
      return { code: "bad_argument", facts: { text: name, argument, wanted: "two states", meant } };
    },
    suggest(text) {
      const [, from, to] = /^transitions?\s*[:(]?\s*(.+?)\s*(?:->|=>|→|,|\bto\b)\s*(.+?)\)?$/i.exec(text.trim()) ?? [];
      return from === undefined || to === undefined ? undefined : `transitions(${from} -> ${to})`;
    },
  },
} as const satisfies Readonly<Record<string, AggregateDefinition>>;

export type AggregateKind = keyof typeof AGGREGATES;

/** A text that is surely not the name of a state. */
const LOOKS_LIKE_CONDITION = /^(?:[<>=!]|(?:between|outside)\b)/i;

/** `rate` and `rate(1m)`. */
function readRate<Kind extends "rate" | "counter_rate">(
  kind: Kind,
  name: string,
): Read<Kind, { readonly perSeconds: number }> {
  if (name === kind) return { name, kind, perSeconds: 1 };
  const argument = argumentOf(kind, name);
  if (argument === undefined) return undefined;
  const perUs = parseDurationUs(argument);
  if (perUs !== undefined && perUs > 0 && perUs <= PER_US_MAX) return { name, kind, perSeconds: perUs / US_PER_SECOND };
  const wanted = perUs === undefined ? "a duration" : "a time for a rate";
  const meant = suggestRate(name.replace(/^counter_/, ""))?.replace("rate", kind);
  return { code: "bad_argument", facts: { text: name, argument, wanted, meant } };
}

/** Whether values can be beyond the limit of a condition. */
function hasDistance(condition: Condition): boolean {
  return condition.kind === "outside" || (condition.kind === "compare" && /[<>]/.test(condition.operator));
}

function stateOrAny(text: string): string | undefined {
  return text === "*" ? undefined : unquoted(text);
}

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
