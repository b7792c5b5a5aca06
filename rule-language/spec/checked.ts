import { type FaultTexts, isFault, textOf } from "../../platform/files/fault.ts";
import { type Aggregate, parseAggregate } from "../aggregates/aggregate.ts";
import { AGGREGATE_TEXTS } from "../aggregates/aggregate-texts.ts";
import { type Condition, parseCondition } from "../conditions/condition.ts";
import { CONDITION_TEXTS } from "../conditions/condition-texts.ts";
import { type Expression, type NameType, parseExpression } from "../conditions/expression.ts";
import { EXPRESSION_TEXTS } from "../conditions/expression-texts.ts";

/** Parse functions for the parts of a `RuleSpec`. The schema has checked their texts, so a fault here is a bug. */

export function checkedAggregate(text: string): Aggregate {
  const parsed = parseAggregate(text);
  if (isFault(parsed)) throw unchecked(AGGREGATE_TEXTS, parsed);
  return parsed;
}

export function checkedCondition(text: string): Condition {
  const parsed = parseCondition(text);
  if (isFault(parsed)) throw unchecked(CONDITION_TEXTS, parsed);
  return parsed;
}

export function checkedExpression(text: string, names: Readonly<Record<string, NameType>>): Expression {
  const parsed = parseExpression(text, names);
  if (isFault(parsed)) throw unchecked(EXPRESSION_TEXTS, parsed);
  return parsed;
}

function unchecked<Facts, Code extends keyof Facts>(
  texts: FaultTexts<Facts>,
  fault: { readonly code: Code; readonly facts: Facts[Code] },
): TypeError {
  return new TypeError(`unchecked rule: ${textOf(texts, fault).message}`);
}
