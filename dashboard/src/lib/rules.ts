import { SEVERITIES, type Severity } from "../../../domain/alert.ts";
import { parseDurationUs } from "../../../domain/time.ts";
import { type Threshold, thresholdsOf } from "./condition.ts";
import { matches, type Pattern } from "./match.ts";

/** What the page uses of a rule. */
export interface RuleView {
  readonly id: string;
  readonly severity: Severity;
  readonly when: string;
  readonly thresholds: readonly Threshold[];
  readonly where: Readonly<Record<string, Pattern>>;
  /** What its windows compute; the condition looks at the first. Empty for rules without windows. */
  readonly aggregates: readonly string[];
  readonly window: RuleWindow | undefined;
  readonly holdFor: string | undefined;
  readonly absent: string | undefined;
  readonly groupBy: readonly string[];
}

export interface RuleWindow {
  readonly kind: string;
  /** `3h`, or a number of readings. */
  readonly text: string;
  readonly lengthUs: number | undefined;
}

/** Reads the answer of `/api/v1/rules`; what is no rule is left out. */
export function parseRules(answer: unknown): readonly RuleView[] {
  const list = Array.isArray(answer) ? answer : isRecord(answer) && Array.isArray(answer.rules) ? answer.rules : [];
  const rules: RuleView[] = [];
  for (const entry of list) {
    if (!isRecord(entry) || typeof entry.id !== "string") continue;
    const when = textOf(entry.when) ?? "";
    rules.push({
      id: entry.id,
      severity: SEVERITIES.find((severity) => severity === entry.severity) ?? "warning",
      when,
      thresholds: thresholdsOf(when),
      where: parseWhere(entry.where),
      aggregates: parseAggregates(entry.aggregate),
      window: parseWindow(entry.window),
      holdFor: textOf(entry.for),
      absent: textOf(entry.absent),
      groupBy: parseAggregates(entry.group_by),
    });
  }
  return rules;
}

/** Whether a rule looks at this metric of this device. One that names no metric looks at all, unless it is about silence. */
export function covers(
  rule: RuleView,
  device: string,
  tags: Readonly<Record<string, string>>,
  metric: string,
): boolean {
  if (rule.absent !== undefined) return false;
  for (const [name, pattern] of Object.entries(rule.where)) {
    const text = name === "device" ? device : name === "metric" ? metric : tags[name];
    if (text === undefined || !matches(pattern, text)) return false;
  }
  return true;
}

/** `avg over 3h > 150`: the condition for a person; undefined for a rule that only computes. */
export function describeRule(rule: RuleView): string | undefined {
  if (rule.absent !== undefined) return `silent for ${rule.absent}`;
  if (rule.when === "") return undefined;
  const over = rule.window === undefined ? "" : `${rule.aggregates[0] ?? "value"} over ${rule.window.text} `;
  const held = rule.holdFor === undefined || rule.holdFor === "0s" ? "" : ` for ${rule.holdFor}`;
  return `${over}${rule.when}${held}`;
}

/** `metric PM2.5, site beijing`: what a rule looks at, for a person. */
export function describeWhere(rule: RuleView): string {
  const parts = Object.entries(rule.where).map(([name, pattern]) => {
    const all = [pattern].flat();
    return `${name} ${all.slice(0, 4).join(" or ")}${all.length > 4 ? ` or ${all.length - 4} more` : ""}`;
  });
  const groups = rule.groupBy.length === 0 ? "" : `by ${rule.groupBy.join(" and ")}`;
  return [parts.length === 0 ? "all readings" : parts.join(", "), groups].filter((part) => part !== "").join(", ");
}

function parseWhere(value: unknown): Readonly<Record<string, Pattern>> {
  const where: Record<string, Pattern> = {};
  if (!isRecord(value)) return where;
  for (const [name, pattern] of Object.entries(value)) {
    if (typeof pattern === "string") where[name] = pattern;
    else if (Array.isArray(pattern)) where[name] = pattern.filter((one) => typeof one === "string");
  }
  return where;
}

function parseAggregates(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === "string");
}

function parseWindow(value: unknown): RuleWindow | undefined {
  if (!isRecord(value)) return undefined;
  const kind = ["tumbling", "hopping", "sliding", "session", "count"].find((name) => name in value);
  if (kind === undefined) return undefined;
  const text = textOf(value[kind]) ?? "";
  return { kind, text: kind === "count" ? `${text} readings` : text, lengthUs: parseDurationUs(text) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
