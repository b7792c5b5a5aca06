import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Condition, holds, parseCondition } from "../../rule-language/conditions/condition.ts";
import { type Expression, isFault, parseExpression } from "../../rule-language/conditions/expression.ts";
import { letNames } from "../../rule-language/spec/let-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/** What a window told, by the name of the aggregate, or of the series. */
export type Told = Readonly<Record<string, number | string>>;

export interface Verdict {
  readonly holds: boolean;
  /** Whether an alert may end. */
  readonly clears: boolean;
}

/** What a rule's conditions say of what was told; undefined when they say nothing of it. */
export type Judge = (told: Told) => Verdict | undefined;

/** The spec must have been checked. Undefined for a rule without a condition. */
export function judgeOf(spec: RuleSpec, aggregates: readonly Aggregate[]): Judge | undefined {
  if (spec.when === undefined) return undefined;
  return spec.let === undefined ? judgeOfOne(spec, aggregates[0]?.name ?? "") : judgeOfSeveral(spec, spec.let);
}

function judgeOfOne(spec: RuleSpec, name: string): Judge {
  const when = checkedCondition(spec.when ?? "");
  const clear = spec.clear === undefined ? undefined : checkedCondition(spec.clear);
  return (told) => {
    const value = told[name];
    if (value === undefined || !canLook(when, value)) return undefined;
    return verdict(holds(when, value), clear && holds(clear, value));
  };
}

const BOTH: Verdict = { holds: true, clears: true };
const HOLDS: Verdict = { holds: true, clears: false };
const CLEARS: Verdict = { holds: false, clears: true };
const NEITHER: Verdict = { holds: false, clears: false };

/** `clears` left out: the alert may end where the condition does not hold. */
function verdict(isHeld: boolean, clears: boolean | undefined): Verdict {
  if (clears === undefined) return isHeld ? HOLDS : CLEARS;
  if (isHeld) return clears ? BOTH : HOLDS;
  return clears ? CLEARS : NEITHER;
}

function canLook(when: Condition, value: number | string): boolean {
  return typeof value === "string" ? when.kind === "text" : !Number.isNaN(value);
}

function judgeOfSeveral(spec: RuleSpec, lets: NonNullable<RuleSpec["let"]>): Judge {
  const types = letNames(lets);
  const names = Object.keys(lets);
  const when = checkedExpression(spec.when ?? "", types);
  const clear = spec.clear === undefined ? undefined : checkedExpression(spec.clear, types);
  return (told) => {
    for (const name of names) {
      const value = told[name];
      if (value === undefined || Number.isNaN(value)) return undefined;
    }
    const active = when.holds(told);
    if (active === undefined) return undefined;
    return verdict(active, clear && clear.holds(told) === true);
  };
}

function checkedCondition(text: string): Condition {
  const parsed = parseCondition(text);
  if (typeof parsed === "string") throw new TypeError(`unchecked rule: ${parsed}`);
  return parsed;
}

function checkedExpression(text: string, types: ReturnType<typeof letNames>): Expression {
  const parsed = parseExpression(text, types);
  if (isFault(parsed)) throw new TypeError(`unchecked rule: ${parsed.message}`);
  return parsed;
}
