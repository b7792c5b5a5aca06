import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Condition } from "../../rule-language/conditions/condition.ts";

/** What must be kept of a window's readings beside count, sum, min and max, which always are. */
export const NEEDS_ENDS = 1;
export const NEEDS_MOMENTS = 2;
export const NEEDS_QUANTILES = 4;
export const NEEDS_DISTINCT = 8;
export const NEEDS_STATES = 16;
/** Those that do not fit a few numbers. */
export const NEEDS_MORE = NEEDS_ENDS | NEEDS_QUANTILES | NEEDS_DISTINCT | NEEDS_STATES;

/** Aggregates with equal plans can be computed from the same accumulators. */
export interface AggregatePlan {
  readonly needs: number;
  /** One count for each condition, in order. */
  readonly countIfs: readonly { readonly name: string; readonly condition: Condition }[];
  /** Whether what a window leaves matters to the next. */
  readonly keepsLast: boolean;
  readonly identity: string;
}

const NEEDS: Readonly<Record<Aggregate["kind"], number>> = {
  count: 0,
  sum: 0,
  avg: 0,
  min: 0,
  max: 0,
  range: 0,
  count_if: 0,
  first: NEEDS_ENDS,
  last: NEEDS_ENDS,
  delta: NEEDS_ENDS,
  delta_percent: NEEDS_ENDS,
  rate: NEEDS_ENDS,
  stddev: NEEDS_MOMENTS,
  variance: NEEDS_MOMENTS,
  quantile: NEEDS_QUANTILES,
  distinct: NEEDS_DISTINCT,
  duration: NEEDS_STATES | NEEDS_ENDS,
};

/** `fill`: whether windows without readings repeat the last value. */
export function planOf(aggregates: readonly Aggregate[], fill = false): AggregatePlan {
  let needs = fill ? NEEDS_ENDS : 0;
  const countIfs: { name: string; condition: Condition }[] = [];
  for (const aggregate of aggregates) {
    needs |= NEEDS[aggregate.kind];
    if (aggregate.kind === "count_if") countIfs.push(aggregate);
  }
  countIfs.sort((a, b) => (a.name < b.name ? -1 : 1));
  const identity = JSON.stringify([needs, ...countIfs.map(({ name }) => name)]);
  return { needs, countIfs, keepsLast: fill || (needs & NEEDS_STATES) !== 0, identity };
}
