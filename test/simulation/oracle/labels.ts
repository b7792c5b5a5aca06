import type { Reading, Tags } from "../../../domain/reading.ts";
import { takesTexts } from "./aggregate.ts";
import type { OracleRule } from "./model.ts";
import { matches } from "./texts.ts";

/** Whether a rule, or one of its named series, reads a reading. */
export function wants(rule: OracleRule, reading: Reading): boolean {
  return seriesOf(rule).some(({ spec }) => takes(spec, reading));
}

/** Whether a rule over one series reads a reading. */
export function takes({ where, aggregate, absent }: OracleRule, reading: Reading): boolean {
  if (typeof reading.value === "string" && absent === undefined && !aggregate.every(takesTexts)) return false;
  return Object.entries(where).every(([name, wanted]) => matches(wanted, labelOf(reading, name)));
}

/** The series of a rule by name, each as a separate rule. Without `let`, the only series has no name. */
export function seriesOf(rule: OracleRule): readonly { readonly name: string; readonly spec: OracleRule }[] {
  if (rule.let === undefined) return [{ name: "", spec: rule }];
  const { id, group_by, lateness, late, fill_for } = rule;
  return Object.entries(rule.let).map(([name, fields]) => {
    const { metric, where, window = rule.window, aggregate, fill, carry = rule.carry } = fields;
    const { max_value = rule.max_value, valid = rule.valid, except = rule.except, hampel = rule.hampel } = fields;
    const own = { ...rule.where, ...(metric === undefined ? {} : { metric }), ...where };
    return {
      name,
      spec: {
        ...{ id, where: own, group_by, isNamed: true, window, aggregate: [aggregate], lateness, late, fill, fill_for },
        ...{ carry, max_value, valid, except, hampel },
      },
    };
  });
}

/** The labels of the group that a reading belongs to. */
export function labelsOf(rule: OracleRule, reading: Reading): Tags {
  const labels: Record<string, string> = {};
  const isOverMetrics = rule.let !== undefined || rule.isNamed === true;
  const names =
    rule.group_by === "series"
      ? ["device", "metric", ...Object.keys(reading.tags)].filter((name) => name !== "metric" || !isOverMetrics)
      : rule.group_by;
  for (const name of names) {
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
