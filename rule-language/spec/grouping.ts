import type { Series, Tags } from "../../domain/reading.ts";

/** `group_by: series`, the default: each series is a group of its own. */
export const SERIES = "series";

interface GroupedRule {
  readonly group_by: "series" | readonly string[];
  readonly let?: unknown;
}

/**
 * How a rule puts series into groups: by these labels; or each `series` alone; or, because the series of a condition
 * have different metrics, each `device` with its tags alone.
 */
export type Grouping = "series" | "device" | readonly string[];

export function groupingOf({ group_by, let: lets }: GroupedRule): Grouping {
  if (group_by !== SERIES) return group_by;
  return lets === undefined ? "series" : "device";
}

/** Whether a label tells the groups apart, or can: which tags a series has is not known in advance. */
export function canGroupBy(grouping: Grouping, label: string): boolean {
  if (grouping === "series") return true;
  return grouping === "device" ? label !== "metric" : grouping.includes(label);
}

/** For people: `site, metric`, or `device, metric and all tags`. */
export function groupedBy(spec: GroupedRule): string {
  const grouping = groupingOf(spec);
  if (typeof grouping !== "string") return grouping.join(", ");
  return grouping === "series" ? "device, metric and all tags" : "device and all tags";
}

/** The labels of the group that a series belongs to. Omits tags that the series does not have. */
export function groupLabels(grouping: Grouping, series: Series): Tags {
  const labels: Record<string, string> = {};
  for (const name of namesOf(grouping, series)) {
    const value = labelOf(series, name);
    if (value !== undefined) labels[name] = value;
  }
  return labels;
}

/** Sorted, so that the labels of equal groups are written in the same order. */
function namesOf(grouping: Grouping, { tags }: Series): readonly string[] {
  if (typeof grouping !== "string") return grouping;
  const names = Object.keys(tags).filter((name) => name !== "device" && name !== "metric");
  return ["device", ...(grouping === "series" ? ["metric"] : []), ...names.sort()];
}

export function labelOf(series: Series, name: string): string | undefined {
  if (name === "device") return series.device;
  if (name === "metric") return series.metric;
  return series.tags[name];
}
