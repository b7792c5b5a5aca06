import { parseDurationUs } from "../../domain/time.ts";
import type { Aggregate } from "../aggregates/aggregate.ts";
import { type Condition, holds } from "../conditions/condition.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";

/** What values an aggregate can have. */
export interface ValueDomain {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
  readonly texts: boolean;
}

const ANY: ValueDomain = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY, whole: false, texts: false };
const NOT_NEGATIVE: ValueDomain = { ...ANY, min: 0 };

/** `others`: all aggregates of the rule; with one among them that takes no texts, none comes. */
export function domainOf(aggregate: Aggregate, spec: RuleSpec, takesTexts: boolean): ValueDomain {
  const isFilled = spec.fill === "last";
  switch (aggregate.kind) {
    case "count":
      return { ...NOT_NEGATIVE, whole: true, min: isFilled ? 0 : (spec.window?.count ?? 1) };
    case "distinct":
      return { ...NOT_NEGATIVE, whole: true, min: 1 };
    case "count_if":
      return { ...NOT_NEGATIVE, whole: true };
    case "duration": {
      const sizeUs = parseDurationUs(spec.window?.tumbling ?? "") ?? Number.POSITIVE_INFINITY;
      return { ...NOT_NEGATIVE, max: sizeUs / 1e6 };
    }
    case "range":
    case "stddev":
    case "variance":
      return NOT_NEGATIVE;
    case "last":
      return { ...ANY, texts: takesTexts };
    default:
      return ANY;
  }
}

/**
 * Values of which one lies in every part of the domain that the conditions tell apart. A condition changes only at its
 * limits, so the limits, a value between each two, and one beyond each end are enough.
 */
export function probesOf(conditions: readonly Condition[], domain: ValueDomain): (number | string)[] {
  const limits = [0, 1, domain.min, domain.max].filter(Number.isFinite);
  const texts = ["", "any other text"];
  for (const condition of conditions) {
    if (condition.kind === "compare") limits.push(condition.limit);
    else if (condition.kind === "text") texts.push(condition.text);
    else limits.push(condition.low, condition.high);
  }
  limits.sort((a, b) => a - b);
  const numbers = limits.flatMap((limit, i) => {
    const next = limits[i + 1] ?? limit + 2;
    const between = domain.whole ? [Math.floor(limit), Math.floor(limit) + 1] : [limit + (next - limit) / 2];
    return [limit - 1, limit, ...between, limit + 1];
  });
  const { min, max, whole } = domain;
  const possible = numbers.filter((value) => value >= min && value <= max && (!whole || Number.isInteger(value)));
  return domain.texts ? [...possible, ...texts] : possible;
}

/** A value for which both hold; undefined when there is none. */
export function commonValue(conditions: readonly Condition[], domain: ValueDomain): number | string | undefined {
  return probesOf(conditions, domain).find((value) => conditions.every((condition) => holds(condition, value)));
}

export function alwaysHolds(condition: Condition, domain: ValueDomain): boolean {
  return probesOf([condition], domain).every((value) => holds(condition, value));
}
