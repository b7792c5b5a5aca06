import { z } from "zod";
import { addFault, isFault } from "../../platform/files/fault.ts";
import { parseCondition } from "../conditions/condition.ts";
import { CONDITION_TEXTS } from "../conditions/condition-texts.ts";
import { isExpression } from "../conditions/expression.ts";

/** The text of a condition, or of an expression over the names of `let`. */
export const condition = z.string().superRefine((text, context) => {
  const parsed = parseCondition(text);
  if (isFault(parsed) && !isExpression(text)) addFault(context, CONDITION_TEXTS, parsed);
});

export function conditionHint(key: string, value: unknown) {
  const what = "a condition";
  if (typeof value === "number") return { what, example: `${key}: "> ${value}" or ${key}: "< ${value}"` };
  if (typeof value === "boolean") return { what, example: `${key}: "== ${value}"` };
  return { what, example: `${key}: "> 8"` };
}
