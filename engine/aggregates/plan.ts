import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Condition } from "../../rule-language/conditions/condition.ts";
import { stateOf } from "./aggregates.ts";
import { type AggregatePlan, bitsOf, NEEDS_ENDS } from "./state-groups.ts";

const NEEDS_STATES = bitsOf(["states"]);

/** `fill`: whether windows without readings repeat the last value. */
export function planOf(aggregates: readonly Aggregate[], fill = false): AggregatePlan {
  let needs = fill ? NEEDS_ENDS : 0;
  const countIfs: { name: string; condition: Condition }[] = [];
  for (const aggregate of aggregates) {
    needs |= bitsOf(stateOf(aggregate));
    if (aggregate.kind === "count_if") countIfs.push(aggregate);
  }
  countIfs.sort((a, b) => (a.name < b.name ? -1 : 1));
  const identity = JSON.stringify([needs, ...countIfs.map(({ name }) => name)]);
  return { needs, countIfs, keepsLast: fill || (needs & NEEDS_STATES) !== 0, identity };
}
