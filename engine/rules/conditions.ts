import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Condition, holds } from "../../rule-language/conditions/condition.ts";
import { checkedCondition, checkedExpression } from "../../rule-language/spec/checked.ts";
import { letNames } from "../../rule-language/spec/let-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/** The values of a window by aggregate name, or those of a joined result by series name. */
export type AggregateValues = Readonly<Record<string, number | string>>;

/** Whether `when` holds, and whether the alert may end. */
export interface ConditionState {
  readonly holds: boolean;
  readonly clears: boolean;
}

/** Evaluates the conditions of a rule; undefined if a value that they need is missing. */
export type EvaluateConditions = (values: AggregateValues) => ConditionState | undefined;

/** The spec must have passed its checks. Undefined for a rule without a condition. */
export function compileConditions(spec: RuleSpec, aggregates: readonly Aggregate[]): EvaluateConditions | undefined {
  if (spec.when === undefined) return undefined;
  return spec.let === undefined ? overOneValue(spec, aggregates[0]?.name ?? "") : overSeveralValues(spec, spec.let);
}

function overOneValue(spec: RuleSpec, name: string): EvaluateConditions {
  const when = checkedCondition(spec.when ?? "");
  const clear = spec.clear === undefined ? undefined : checkedCondition(spec.clear);
  return (values) => {
    const value = values[name];
    if (value === undefined || !isComparable(when, value)) return undefined;
    return stateOf(holds(when, value), clear && holds(clear, value));
  };
}

const BOTH: ConditionState = { holds: true, clears: true };
const HOLDS: ConditionState = { holds: true, clears: false };
const CLEARS: ConditionState = { holds: false, clears: true };
const NEITHER: ConditionState = { holds: false, clears: false };

/**
 * Without `clear`, an alert may end once `when` no longer holds. The objects are shared because this runs for each
 * window.
 */
function stateOf(isHeld: boolean, clears: boolean | undefined): ConditionState {
  if (clears === undefined) return isHeld ? HOLDS : CLEARS;
  if (isHeld) return clears ? BOTH : HOLDS;
  return clears ? CLEARS : NEITHER;
}

function isComparable(when: Condition, value: number | string): boolean {
  return typeof value === "string" ? when.kind === "text" : !Number.isNaN(value);
}

function overSeveralValues(spec: RuleSpec, lets: NonNullable<RuleSpec["let"]>): EvaluateConditions {
  const types = letNames(lets);
  const names = Object.keys(lets);
  const when = checkedExpression(spec.when ?? "", types);
  const clear = spec.clear === undefined ? undefined : checkedExpression(spec.clear, types);
  return (values) => {
    for (const name of names) {
      const value = values[name];
      if (value === undefined || Number.isNaN(value)) return undefined;
    }
    const isHeld = when.holds(values);
    if (isHeld === undefined) return undefined;
    return stateOf(isHeld, clear && clear.holds(values) === true);
  };
}
