import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Condition } from "../../rule-language/conditions/condition.ts";
import { foldsOf, stateOf } from "./aggregates.ts";
import type { CourseOptions } from "./folds.ts";
import { type AggregatePlan, bitsOf, NEEDS_COURSE, NEEDS_ENDS } from "./state-groups.ts";

export interface PlanOptions {
  /** Whether windows without readings repeat the last value. */
  readonly fill?: boolean;
  /** Whether windows are merged from others. */
  readonly isMerged?: boolean;
  readonly course?: CourseOptions;
}

const NO_LIMITS: CourseOptions = { carryUs: Number.POSITIVE_INFINITY, counterMax: undefined };

export function planOf(aggregates: readonly Aggregate[], options: PlanOptions = {}): AggregatePlan {
  const { fill = false, isMerged = false, course = NO_LIMITS } = options;
  let needs = fill ? NEEDS_ENDS : 0;
  const countIfs: { name: string; condition: Condition }[] = [];
  const merged = isMerged ? aggregates.filter((aggregate) => foldsOf(aggregate).length > 0) : [];
  const folds = new Map(merged.flatMap(foldsOf).map((fold) => [fold.name, fold]));
  for (const aggregate of aggregates) {
    needs |= bitsOf(stateOf(aggregate));
    if (aggregate.kind === "count_if") countIfs.push(aggregate);
  }
  countIfs.sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = [...new Set(merged.map(({ name }) => name))].sort();
  const identity = JSON.stringify([needs, ...countIfs.map(({ name }) => name), ...names]);
  const keepsLast = fill || (needs & NEEDS_COURSE) !== 0;
  return { needs, countIfs, folds: [...folds.values()], course, keepsLast, identity };
}
