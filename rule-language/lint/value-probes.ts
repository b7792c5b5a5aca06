import { type Condition, holds } from "../conditions/condition.ts";
import type { ValueDomain } from "../conditions/value-domain.ts";

/**
 * One value from every part of the domain that the conditions distinguish. A condition changes only at its limits, so
 * it is enough to try the limits, a value between each two, and one beyond each end.
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

/** A value for which all conditions hold; undefined if there is none. */
export function commonValue(conditions: readonly Condition[], domain: ValueDomain): number | string | undefined {
  return probesOf(conditions, domain).find((value) => conditions.every((condition) => holds(condition, value)));
}

export function alwaysHolds(condition: Condition, domain: ValueDomain): boolean {
  return probesOf([condition], domain).every((value) => holds(condition, value));
}
