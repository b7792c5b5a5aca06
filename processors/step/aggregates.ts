/** What a window can compute over numbers; booleans count as 0 and 1. */
export const AGGREGATES = ["count", "sum", "min", "max", "avg", "first", "last", "stddev"] as const;
export type AggregateName = (typeof AGGREGATES)[number];

/** Which columns of a pane an aggregate needs. */
export const NEEDS_SUM = 1;
export const NEEDS_EXTREMES = 2;
export const NEEDS_ENDS = 4;
export const NEEDS_MOMENTS = 8;

const NEEDS: Readonly<Record<AggregateName, number>> = {
  count: 0,
  sum: NEEDS_SUM,
  avg: NEEDS_SUM,
  min: NEEDS_EXTREMES,
  max: NEEDS_EXTREMES,
  first: NEEDS_ENDS,
  last: NEEDS_ENDS,
  stddev: NEEDS_MOMENTS,
};

export function needsOf(aggregates: readonly AggregateName[]): number {
  let needs = 0;
  for (const aggregate of aggregates) needs |= NEEDS[aggregate];
  return needs;
}
