import { NUMBER_PATTERN } from "../../domain/number-text.ts";

/** A comparison of an aggregate: `> 8`, `between 2 and 8`, `== open`. */
export type Condition =
  | { readonly kind: "text"; readonly equal: boolean; readonly text: string }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly limit: number }
  | { readonly kind: "between"; readonly low: number; readonly high: number }
  | { readonly kind: "outside"; readonly low: number; readonly high: number };

const COMPARISONS = [">", ">=", "<", "<=", "==", "!="] as const;
export type Comparison = (typeof COMPARISONS)[number];

const COMPARE = new RegExp(`^(>=|<=|==|!=|>|<)\\s*(${NUMBER_PATTERN})$`);
const TEXT = /^(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z_][\w .-]*))$/;
const RANGE = new RegExp(`^(between|outside)\\s+(${NUMBER_PATTERN})\\s+and\\s+(${NUMBER_PATTERN})$`, "i");

/** Reads a condition by its syntax alone. Undefined if it has none of the forms. */
export function readCondition(text: string): Condition | undefined {
  const trimmed = text.trim();
  const [, operator, limit] = COMPARE.exec(trimmed) ?? [];
  if (isComparison(operator)) return { kind: "compare", operator, limit: Number(limit) };
  const [, kind, low, high] = RANGE.exec(trimmed) ?? [];
  if (kind !== undefined) {
    return { kind: kind.toLowerCase() === "between" ? "between" : "outside", low: Number(low), high: Number(high) };
  }
  const equals = TEXT.exec(trimmed);
  if (equals === null) return undefined;
  return { kind: "text", equal: equals[1] === "==", text: equals[2] ?? equals[3] ?? equals[4] ?? "" };
}

function isComparison(text: string | undefined): text is Comparison {
  return COMPARISONS.some((operator) => operator === text);
}
