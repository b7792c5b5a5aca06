import { parseDurationUs, US_PER_DAY, US_PER_SECOND } from "../../domain/time.ts";
import { type Condition, parseCondition } from "../conditions/condition.ts";

/** What a window can compute, by the word that names it. */
export const PLAIN_AGGREGATES = [
  "count",
  "sum",
  "min",
  "max",
  "avg",
  "first",
  "last",
  "delta",
  "delta_percent",
  "rate",
  "range",
  "stddev",
  "variance",
  "median",
  "distinct",
] as const;
type PlainKind = (typeof PLAIN_AGGREGATES)[number];

export type Aggregate =
  | { readonly name: string; readonly kind: Exclude<PlainKind, "median" | "rate"> }
  | { readonly name: string; readonly kind: "rate"; readonly perSeconds: number }
  | { readonly name: string; readonly kind: "quantile"; readonly rank: number }
  | { readonly name: string; readonly kind: "count_if"; readonly condition: Condition }
  | { readonly name: string; readonly kind: "duration"; readonly state: string };

const QUANTILE = /^p(\d{1,2}(?:\.\d{1,3})?)$/;
/** A rate per a longer time than this is a mistake. */
const PER_US_MAX = 366 * US_PER_DAY;
const CALL = /^(count_if|duration|rate)\((.*)\)$/s;
const PLAIN_NAMES: readonly string[] = PLAIN_AGGREGATES;

/** Reads an aggregate's name: `avg`, `p95`, `count_if(> 5)`, `duration(open)`. A string says what is wrong with it. */
export function parseAggregate(name: string): Aggregate | string {
  if (name === "median") return { name, kind: "quantile", rank: 0.5 };
  if (name === "rate") return { name, kind: "rate", perSeconds: 1 };
  if (isPlain(name)) return { name, kind: name };
  const quantile = QUANTILE.exec(name);
  if (quantile) return { name, kind: "quantile", rank: Number(quantile[1]) / 100 };
  const call = CALL.exec(name);
  const inner = call?.[2]?.trim() ?? "";
  const kind = inner === "" ? undefined : call?.[1];
  if (kind === "duration") return { name, kind: "duration", state: unquote(inner) };
  if (kind === "rate") {
    const perUs = parseDurationUs(inner);
    if (perUs === undefined)
      return `"${inner}" in "${name}" is not a duration; write rate(1m) for the change per minute`;
    if (perUs === 0 || perUs > PER_US_MAX) return `"${name}" is not a rate; write rate(1m) for the change per minute`;
    return { name, kind: "rate", perSeconds: perUs / US_PER_SECOND };
  }
  if (kind === "count_if") {
    const condition = parseCondition(inner);
    return typeof condition === "string" ? condition : { name, kind: "count_if", condition };
  }
  return `"${name}" is not an aggregate; write one of ${PLAIN_NAMES.join(", ")}, a quantile like p95, rate(1m), count_if(> 5) or duration(open)`;
}

/** Whether the aggregate can be computed over texts. */
export function takesTexts({ kind }: Aggregate): boolean {
  return kind === "count" || kind === "last" || kind === "distinct" || kind === "duration";
}

function isPlain(name: string): name is Exclude<PlainKind, "median" | "rate"> {
  return PLAIN_NAMES.includes(name);
}

function unquote(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
