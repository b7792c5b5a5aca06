import { NUMBER_PATTERN } from "../../domain/number-text.ts";

/** A comparison of an aggregate: `> 8`, `between 2 and 8`, `== open`. */
export type Condition =
  | { readonly kind: "text"; readonly equal: boolean; readonly text: string }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly limit: number }
  | { readonly kind: "between"; readonly low: number; readonly high: number }
  | { readonly kind: "outside"; readonly low: number; readonly high: number };

export type Comparison = ">" | ">=" | "<" | "<=" | "==" | "!=";

const COMPARE = new RegExp(`^(>=|<=|==|!=|>|<)\\s*(${NUMBER_PATTERN})$`);
const TEXT = /^(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z_][\w .-]*))$/;
const RANGE = new RegExp(`^(between|outside)\\s+(${NUMBER_PATTERN})\\s+and\\s+(${NUMBER_PATTERN})$`, "i");

/** Reads a condition; a string says what is wrong with it. */
export function parseCondition(text: string): Condition | string {
  const trimmed = text.trim();
  const compare = COMPARE.exec(trimmed);
  if (compare) return { kind: "compare", operator: compare[1] as Comparison, limit: Number(compare[2]) };
  const range = RANGE.exec(trimmed);
  if (range) {
    const [low, high] = [Number(range[2]), Number(range[3])];
    if (low > high) return `"${text}" holds for no value: ${low} is more than ${high}`;
    return { kind: range[1]?.toLowerCase() === "between" ? "between" : "outside", low, high };
  }
  const equals = TEXT.exec(trimmed);
  if (equals) return { kind: "text", equal: equals[1] === "==", text: equals[2] ?? equals[3] ?? equals[4] ?? "" };
  return `"${text}" is not a condition; write for example "> 8", "<= 0.5", "between 2 and 8", "outside 2 and 8" or "== open"`;
}

/** `between` holds at its bounds, `outside` does not. `true` and `false` are 1 and 0. No text is a number's equal. */
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
