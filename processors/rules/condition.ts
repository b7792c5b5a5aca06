/** A comparison of an aggregate: `> 8`, `between 2 and 8`. */
export type Condition =
  | { readonly kind: "compare"; readonly operator: Comparison; readonly limit: number }
  | { readonly kind: "between"; readonly low: number; readonly high: number }
  | { readonly kind: "outside"; readonly low: number; readonly high: number };

export type Comparison = ">" | ">=" | "<" | "<=" | "==" | "!=";

const NUMBER = String.raw`([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)`;
const COMPARE = new RegExp(`^(>=|<=|==|!=|>|<)\\s*${NUMBER}$`, "i");
const RANGE = new RegExp(`^(between|outside)\\s+${NUMBER}\\s+and\\s+${NUMBER}$`, "i");

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
  return `"${text}" is not a condition; write for example "> 8", "<= 0.5", "between 2 and 8" or "outside 2 and 8"`;
}

/** `between` holds at its bounds, `outside` does not. */
export function holds(condition: Condition, value: number): boolean {
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
