import type { RuleProblem } from "../files/problem.ts";
import { clearWarnings, equalityOfComputed, hiddenLevels, shortHolds, whenWarnings } from "./condition-warnings.ts";
import { hiddenLabels, longLateness, unfilledPlaces, withoutEffect } from "./field-warnings.ts";
import { counterDifferences, fieldsAsLabels, spreadsOfOne, thursdayWeeks } from "./meaning-warnings.ts";
import { excludedPatterns, foreignPatterns, mixedSeries } from "./series-warnings.ts";
import { deadCalendars, deadFlapping } from "./time-warnings.ts";
import type { CheckedRule } from "./warning.ts";

/** The checks of a single rule. The table in `warning-kinds.ts` lists their warnings. */
const CHECKS: readonly ((rule: CheckedRule) => Iterable<RuleProblem>)[] = [
  whenWarnings,
  clearWarnings,
  hiddenLevels,
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
  fieldsAsLabels,
  thursdayWeeks,
  counterDifferences,
  spreadsOfOne,
];

/** The warnings about a single rule. */
export function warningsOf(rule: CheckedRule): RuleProblem[] {
  return CHECKS.flatMap((check) => [...check(rule)]);
}
