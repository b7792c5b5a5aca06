import type { Severity } from "../../domain/alert.ts";
import { parseDurationUs } from "../../domain/time.ts";
import { isFault } from "../../platform/files/fault.ts";
import { type Aggregate, definitionOf, takesTexts } from "../aggregates/aggregate.ts";
import { type Condition, parseCondition } from "../conditions/condition.ts";
import type { ValueDomain } from "../conditions/value-domain.ts";
import { type PlacedRule, spotOf, within } from "../files/placed-rule.ts";
import type { RuleProblem } from "../files/problem.ts";
import { checkedAggregate } from "../spec/checked.ts";
import { levelsOf } from "../spec/levels-spec.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import type { WarningCode } from "./warning-kinds.ts";

/** A rule without errors, with its texts parsed. */
export interface CheckedRule {
  readonly placed: PlacedRule;
  readonly spec: RuleSpec;
  readonly aggregates: readonly Aggregate[];
  readonly domain: ValueDomain;
  /** Its conditions, the least severe first. None with `let`, where conditions are expressions. */
  readonly levels: readonly CheckedLevel[];
}

/** Conditions of a rule, and where they are written. */
interface CheckedLevel {
  readonly severity: Severity;
  readonly when: CheckedCondition;
  readonly clear: CheckedCondition | undefined;
}

interface CheckedCondition {
  readonly text: string;
  readonly condition: Condition;
  readonly path: readonly string[];
}

/** Undefined for a rule with errors. */
export function takeApart(placed: PlacedRule): CheckedRule | undefined {
  const { spec } = placed;
  const aggregates = spec?.aggregate.map(checkedAggregate) ?? [];
  const [first] = aggregates;
  if (spec === undefined || first === undefined) return undefined;
  const domain = domainOf(first, spec, aggregates.every(takesTexts));
  return { placed, spec, aggregates, domain, levels: checkedLevels(spec) };
}

function checkedLevels(spec: RuleSpec): CheckedLevel[] {
  return levelsOf(spec).flatMap(({ severity, when: whenText, clear: clearText }, i) => {
    const own = spec.levels?.[severity];
    const above = spec.levels === undefined ? [] : ["levels", severity];
    const isMap = typeof own === "object";
    const when = conditionOf(whenText, own === undefined || isMap ? [...above, "when"] : above);
    const isOfRule = i === 0 && (!isMap || own.clear === undefined);
    const clear = conditionOf(clearText, isOfRule ? ["clear"] : [...above, "clear"]);
    return when === undefined ? [] : [{ severity, when, clear }];
  });
}

/** The possible values of the first aggregate. It gets no texts if another aggregate does not accept them. */
function domainOf(aggregate: Aggregate, { fill, window }: RuleSpec, getsTexts: boolean): ValueDomain {
  const domain = definitionOf(aggregate).values({
    isFilled: fill === "last",
    readings: window?.count,
    lengthUs: parseDurationUs(window?.tumbling ?? ""),
  });
  return { ...domain, texts: domain.texts && getsTexts };
}

function conditionOf(text: string | undefined, path: readonly string[]): CheckedCondition | undefined {
  const parsed = text === undefined ? undefined : parseCondition(text);
  return text === undefined || parsed === undefined || isFault(parsed) ? undefined : { text, condition: parsed, path };
}

interface WarningText {
  readonly message: string;
  readonly help: string;
  /** Other fields of the rule that play a part. */
  readonly beside?: readonly string[];
  readonly part?: "key" | "value";
  /** The part of the value in question. */
  readonly fragment?: string;
}

/** Creates a warning about a part of a rule. */
export function warn(
  code: WarningCode,
  { placed }: CheckedRule,
  path: readonly PropertyKey[],
  { message, help, beside = [], part, fragment }: WarningText,
): RuleProblem {
  const { place, related } = spotOf(placed, path, { beside: beside.map((field) => [field]), part });
  const exact = fragment === undefined ? place : within(place, fragment);
  return { code, severity: "warning", file: placed.file, place: exact, message, help, related };
}

/** A duration of a checked rule, in microseconds. */
export function usOf(text: string): number {
  return parseDurationUs(text) ?? 0;
}
