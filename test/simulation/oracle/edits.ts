import { takesTexts } from "./aggregate.ts";
import { isOfCourse } from "./course.ts";
import { oracleLevels } from "./levels.ts";
import type { OracleRule } from "./model.ts";

/** The effect of an edit on a rule's open alerts, according to the table in docs/windows.md. */
export type AlertsFate = "go-on" | "go-on-where-taken" | "end";

/** `after`: undefined if the rule was removed. */
export function alertsFateOf(before: OracleRule, after: OracleRule | undefined): AlertsFate {
  if (after === undefined) return "end";
  const ends =
    (before.absent === undefined) !== (after.absent === undefined) ||
    (oracleLevels(before).length > 0 && oracleLevels(after).length === 0);
  if (ends) return "end";
  const others =
    differ(before.where, after.where) || differ(before.let, after.let) || differ(before.group_by, after.group_by);
  return others ? "go-on-where-taken" : "go-on";
}

/** Rules with the same identity share their windows. A rule without a predecessor of its identity starts again. */
export function identityOf(rule: OracleRule): string {
  const { where, group_by, isNamed, window, lateness, late, fill, fill_for, absent, active } = rule;
  const { carry, max_value, valid, except, hampel } = rule;
  const texts = rule.aggregate.every(takesTexts);
  const filling = fill === "last" ? [fill, fill_for] : [];
  const computed =
    absent === undefined
      ? [window, lateness, late, filling, carry, max_value, valid, except, hampel, needsOf(rule), texts]
      : ["absent", absent, active];
  return JSON.stringify([where, group_by, isNamed, ...computed]);
}

function differ(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

/** The groups of aggregates that windows keep. Count, sum, avg, min, max and range are always kept. */
function needsOf({ aggregate, fill, window }: OracleRule): string[] {
  const needs = new Set<string>(fill === "last" ? ["ends"] : []);
  for (const name of aggregate) {
    if (["first", "last", "delta", "delta_percent"].includes(name) || /^rate\b/.test(name)) needs.add("ends");
    else if (["stddev", "variance"].includes(name)) needs.add("spread");
    else if (/^(median|p[0-9.]+)$/.test(name)) needs.add("quantiles");
    else if (name === "distinct" || name.startsWith("count_if(")) needs.add(name);
    else if (isOfCourse(name)) {
      const isOneGroup = window?.tumbling !== undefined || window?.session !== undefined;
      needs.add(isOneGroup ? "course" : name).add("ends");
    }
  }
  return [...needs].sort();
}
