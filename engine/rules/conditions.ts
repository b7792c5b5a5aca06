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

interface Conditions {
  readonly when: string;
  readonly clear: string | undefined;
}

/** The spec must have passed its checks. Undefined for a rule without `when`. */
export function compileConditions(spec: RuleSpec, aggregates: readonly Aggregate[]): EvaluateConditions | undefined {
  const { when, clear } = spec;
  return when === undefined ? undefined : compileCondition(spec, { when, clear }, aggregates);
}

/** Compiles conditions over the value of a rule, or over those of its names. */
export function compileCondition(
  spec: Pick<RuleSpec, "let">,
  conditions: Conditions,
  aggregates: readonly Aggregate[],
): EvaluateConditions {
  return spec.let === undefined
    ? overOneValue(conditions, aggregates[0]?.name ?? "")
    : overSeveralValues(conditions, spec.let);
}

function overOneValue(conditions: Conditions, name: string): EvaluateConditions {
  const when = checkedCondition(conditions.when);
  const clear = conditions.clear === undefined ? undefined : checkedCondition(conditions.clear);
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

function overSeveralValues(conditions: Conditions, lets: NonNullable<RuleSpec["let"]>): EvaluateConditions {
  const types = letNames(lets);
  const names = Object.keys(lets);
  const when = checkedExpression(conditions.when, types);
  const clear = conditions.clear === undefined ? undefined : checkedExpression(conditions.clear, types);
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
