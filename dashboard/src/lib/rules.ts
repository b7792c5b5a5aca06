import { SEVERITIES, type Severity } from "../../../domain/alert.ts";
import { parseDurationUs } from "../../../domain/time.ts";
import { type Threshold, thresholdsOf, thresholdsWithin } from "./condition.ts";
import { matches, type Pattern } from "./match.ts";

/** The parts of a rule that the page uses. */
export interface RuleView {
  readonly id: string;
  readonly severity: Severity;
  /** For people. With levels: `> 6 (warning), > 8 (critical)`. Empty for rules that only compute. */
  readonly when: string;
  /** The conditions alone, the least severe first. */
  readonly conditions: readonly string[];
  readonly thresholds: readonly Threshold[];
  readonly where: Readonly<Record<string, Pattern>>;
  /** What its windows compute. The condition evaluates the first. Empty for rules without windows. */
  readonly aggregates: readonly string[];
  readonly window: RuleWindow | undefined;
  readonly holdFor: string | undefined;
  readonly absent: string | undefined;
  readonly groupBy: readonly string[];
  /** For a condition over several series: each series as a rule, whose aggregate is the name of the series. */
  readonly series: readonly RuleView[];
}

export interface RuleWindow {
  readonly kind: string;
  /** `3h`, or a number of readings. */
  readonly text: string;
  readonly lengthUs: number | undefined;
}

/** Reads the answer of `/api/v1/rules`. Entries that are not rules are ignored. */
export function parseRules(answer: unknown): readonly RuleView[] {
  const list = Array.isArray(answer) ? answer : isRecord(answer) && Array.isArray(answer.rules) ? answer.rules : [];
  const rules: RuleView[] = [];
  for (const entry of list) {
    if (!isRecord(entry) || typeof entry.id !== "string") continue;
    const conditions = parseConditions(entry);
    const when = isRecord(entry.levels)
      ? conditions.map(({ severity, when: text }) => `${text} (${severity})`).join(", ")
      : (conditions[0]?.when ?? "");
    const rule: RuleView = {
      id: entry.id,
      severity: SEVERITIES.find((severity) => severity === entry.severity) ?? "warning",
      when,
      conditions: conditions.map((one) => one.when),
      thresholds: conditions.flatMap((one) => thresholdsOf(one.when)),
      where: parseWhere(entry.where),
      aggregates: parseAggregates(entry.aggregate),
      window: parseWindow(entry.window),
      holdFor: textOf(entry.for),
      absent: textOf(entry.absent),
      groupBy: parseAggregates(entry.group_by),
      series: [],
    };
    rules.push(isRecord(entry.let) ? { ...rule, window: undefined, series: parseSeries(rule, entry.let) } : rule);
  }
  return rules;
}

/** The condition of each level; that of `when` alone for a rule with one severity. */
function parseConditions(entry: Readonly<Record<string, unknown>>): { severity: string; when: string }[] {
  const { levels } = entry;
  if (!isRecord(levels))
    return textOf(entry.when) === undefined ? [] : [{ severity: "", when: textOf(entry.when) ?? "" }];
  return SEVERITIES.flatMap((severity) => {
    const own = levels[severity];
    const when = textOf(isRecord(own) ? own.when : own);
    return when === undefined ? [] : [{ severity, when }];
  });
}

function parseSeries(rule: RuleView, series: Readonly<Record<string, unknown>>): RuleView[] {
  return Object.entries(series).flatMap(([name, own]) => {
    if (!isRecord(own)) return [];
    const metric = own.metric === undefined ? {} : parseWhere({ metric: own.metric });
    return {
      ...rule,
      where: { ...rule.where, ...metric, ...parseWhere(own.where) },
      window: parseWindow(own.window) ?? rule.window,
      aggregates: [name],
      thresholds: rule.conditions.flatMap((text) => thresholdsWithin(text, name)),
    };
  });
}

/** The rules that evaluate this metric of this device, including single series of rules over several. */
export function viewsOf(
  rules: readonly RuleView[],
  sensor: { readonly device: string; readonly tags: Readonly<Record<string, string>>; readonly metric: string },
): readonly RuleView[] {
  const { device, tags, metric } = sensor;
  return rules
    .flatMap((rule) => (rule.series.length === 0 ? [rule] : rule.series))
    .filter((view) => covers(view, device, tags, metric));
}

/**
 * Whether a rule evaluates this metric of this device. A rule without a metric evaluates all metrics, unless it is
 * for absent readings.
 */
export function covers(
  rule: RuleView,
  device: string,
  tags: Readonly<Record<string, string>>,
  metric: string,
): boolean {
  if (rule.absent !== undefined) return false;
  for (const [name, pattern] of Object.entries(rule.where)) {
    const text = name === "device" ? device : name === "metric" ? metric : tags[name];
    if (!fits([pattern].flat(), text)) return false;
  }
  return true;
}

/** Globs that start with `!` exclude. */
function fits(patterns: readonly string[], text: string | undefined): boolean {
  const excluded = patterns.filter((one) => one.startsWith("!")).map((one) => one.slice(1));
  const included = patterns.filter((one) => !one.startsWith("!"));
  if (text === undefined) return included.length === 0;
  return (included.length === 0 || matches(included, text)) && (excluded.length === 0 || !matches(excluded, text));
}

/** `avg over 3h > 150`: the condition in words; undefined for a rule that only computes. */
export function describeRule(rule: RuleView): string | undefined {
  if (rule.absent !== undefined) return `silent for ${rule.absent}`;
  if (rule.when === "") return undefined;
  const over = rule.window === undefined ? "" : `${rule.aggregates[0] ?? "value"} over ${rule.window.text} `;
  const held = rule.holdFor === undefined || rule.holdFor === "0s" ? "" : ` for ${rule.holdFor}`;
  return `${over}${rule.when}${held}`;
}

/** `metric PM2.5, site beijing`: the series that a rule evaluates, in words. */
export function describeWhere(rule: RuleView): string {
  if (rule.series.length > 0) return rule.series.map((one) => describeWhere({ ...one, groupBy: [] })).join("; ");
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
  if (value.calendar !== undefined) return calendarWindow(textOf(value.calendar) ?? "", value);
  if (Array.isArray(value.shifts)) return calendarWindow("shift", value);
  if (kind === undefined) return undefined;
  const text = textOf(value[kind]) ?? "";
  return { kind, text: kind === "count" ? `${text} readings` : text, lengthUs: parseDurationUs(text) };
}

/** `a day from 09:00 (Europe/Berlin)`. */
function calendarWindow(what: string, { zone, offset, starts }: Readonly<Record<string, unknown>>): RuleWindow {
  const from = [textOf(starts), textOf(offset)].filter((part) => part !== undefined).join(" ");
  const text = `a ${what}${from === "" ? "" : ` from ${from}`}${zone === undefined ? "" : ` (${textOf(zone)})`}`;
  return { kind: "calendar", text, lengthUs: undefined };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
