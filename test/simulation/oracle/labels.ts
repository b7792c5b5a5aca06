import type { Reading, Tags } from "../../../domain/reading.ts";
import { takesTexts } from "./aggregate.ts";
import type { OracleRule } from "./model.ts";
import { matches } from "./texts.ts";

export function wants({ where, aggregate, absent }: OracleRule, reading: Reading): boolean {
  if (typeof reading.value === "string" && absent === undefined && !aggregate.every(takesTexts)) return false;
  return Object.entries(where).every(([name, wanted]) => {
    const label = labelOf(reading, name);
    return label !== undefined && matches(wanted, label);
  });
}

/** The labels of the group that a reading belongs to. */
export function labelsOf(rule: OracleRule, reading: Reading): Tags {
  const labels: Record<string, string> = {};
  for (const name of rule.group_by) {
    const label = labelOf(reading, name);
    if (label !== undefined) labels[name] = label;
  }
  return labels;
}

export function nameOf(labels: Tags): string {
  return JSON.stringify(Object.entries(labels).sort());
}

function labelOf(reading: Reading, name: string): string | undefined {
  if (name === "device") return reading.device;
  if (name === "metric") return reading.metric;
  return reading.tags[name];
}
