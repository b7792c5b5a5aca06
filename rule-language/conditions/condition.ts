import type { BareFaultOf } from "../../platform/files/fault.ts";
import type { ConditionFacts } from "./condition-texts.ts";
import { type Condition, readCondition } from "./read-condition.ts";
import { suggestCondition } from "./suggest-condition.ts";

export type { Condition } from "./read-condition.ts";

/** Parses a condition. */
export function parseCondition(text: string): Condition | BareFaultOf<ConditionFacts> {
  const condition = readCondition(text);
  if (condition === undefined) return { code: "bad_condition", facts: { text, meant: suggestCondition(text) } };
  if (condition.kind !== "between" && condition.kind !== "outside") return condition;
  const { low, high } = condition;
  return low <= high ? condition : { code: "empty_range", facts: { text, low, high, meant: suggestCondition(text) } };
}

/** `between` includes its bounds, `outside` does not. `true` and `false` are 1 and 0. A text never equals a number. */
export function holds(condition: Condition, value: number | string): boolean {
  if (condition.kind === "text") return isText(value, condition.text) === condition.equal;
  if (typeof value === "string") return condition.kind === "compare" && condition.operator === "!=";
  if (condition.kind === "between") return value >= condition.low && value <= condition.high;
  if (condition.kind === "outside") return value < condition.low || value > condition.high;
  const { operator, limit } = condition;
  switch (operator) {
    case ">":
      return value > limit;
    case ">=":
      return value >= limit;
    case "<":
      return value < limit;
    case "<=":
      return value <= limit;
    case "==":
      return value === limit;
    case "!=":
      return value !== limit;
  }
}

function isText(value: number | string, text: string): boolean {
  if (typeof value === "string") return value === text;
  return (text === "true" && value === 1) || (text === "false" && value === 0);
}
