import type { RuleProblem } from "../files/problem.ts";
import { clearWarnings, equalityOfComputed, shortHolds, whenWarnings } from "./condition-warnings.ts";
import { hiddenLabels, longLateness, unfilledPlaces, withoutEffect } from "./field-warnings.ts";
import { excludedPatterns, foreignPatterns, mixedSeries } from "./series-warnings.ts";
import { deadCalendars, deadFlapping } from "./time-warnings.ts";
import type { CheckedRule } from "./warning.ts";

/** The checks of one rule. Each warning they give is in the table of `warning-kinds.ts`. */
const CHECKS: readonly ((rule: CheckedRule) => Iterable<RuleProblem>)[] = [
  whenWarnings,
  clearWarnings,
  shortHolds,
  longLateness,
  withoutEffect,
  equalityOfComputed,
  unfilledPlaces,
  deadCalendars,
  deadFlapping,
  foreignPatterns,
  excludedPatterns,
  mixedSeries,
  hiddenLabels,
];

/** The warnings about a rule on its own. */
export function warningsOf(rule: CheckedRule): RuleProblem[] {
  return CHECKS.flatMap((check) => [...check(rule)]);
}
