import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";

/** All window kinds, absences, and groups over several devices, with conditions of all forms. */
const RULES: readonly Readonly<Record<string, unknown>>[] = [
  {
    id: "hot",
    where: { metric: "temperature" },
    window: { tumbling: "2s" },
    aggregate: ["avg", "count", "sum", "min", "max", "stddev"],
    when: "> 60",
    clear: "< 55",
    for: "2s",
    lateness: "500ms",
  },
  {
    id: "rising",
    where: { metric: "temperature" },
    window: { hopping: "4s", every: "1s" },
    aggregate: ["delta", "rate", "median", "p95"],
    when: "> 5",
    keep_firing_for: "2s",
    lateness: "300ms",
  },
  {
    id: "strict",
    where: { metric: "temperature", device: "*1" },
    window: { hopping: "2s", every: "1s" },
    aggregate: ["max", "count"],
    late: "drop",
    lateness: "1s",
    when: "between 40 and 60",
  },
  {
    id: "recent",
    where: { metric: "temperature", device: "*0" },
    window: { sliding: "3s" },
    aggregate: ["max", "count", "avg"],
    when: "> 65",
    lateness: "250ms",
  },
  { id: "held", where: { metric: "load" }, window: { tumbling: "3s" }, aggregate: ["last", "count"], fill: "last" },
  { id: "bursts", where: { metric: "load" }, window: { session: "1500ms" }, aggregate: ["count", "first", "last"] },
  {
    id: "tens",
    where: { metric: "?o*" },
    group_by: ["device"],
    window: { count: 10 },
    aggregate: ["count", "distinct"],
  },
  {
    id: "open-long",
    where: { metric: "door" },
    window: { tumbling: "5s" },
    aggregate: ["duration(open)", "count", "last"],
    when: "> 3",
  },
  { id: "silent", group_by: ["device"], absent: "3s" },
  {
    id: "site-load",
    where: { metric: "load" },
    group_by: ["site"],
    window: { tumbling: "2s" },
    aggregate: ["avg", "count", "max", "last"],
    when: "> 52",
    clear: "< 48",
    lateness: "1s",
  },
  {
    id: "site-recent",
    where: { metric: "load", site: "*3" },
    group_by: ["site", "metric"],
    window: { sliding: "2s" },
    aggregate: ["count", "min"],
    lateness: "500ms",
  },
  { id: "site-fives", where: { metric: "load" }, group_by: ["site"], window: { count: 5 }, aggregate: "sum" },
  { id: "site-silent", where: { metric: "door" }, group_by: ["site"], absent: "2s" },
  {
    id: "zone",
    where: { metric: "temperature" },
    group_by: ["zone"],
    window: { hopping: "4s", every: "2s" },
    aggregate: ["avg", "count", "p99"],
    when: "> 50",
    for: "2s",
    lateness: "2s",
  },
];

/** What an edit during the run changes: a threshold, the form of a window, a rule over devices. */
const EDITS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  hot: { when: "> 58", severity: "critical" },
  strict: { window: { hopping: "3s", every: "1s" } },
  "site-load": { when: "> 51" },
};

export interface RuleFile {
  readonly specs: readonly RuleSpec[];
  readonly text: string;
}

/** A rule file; JSON is YAML too. */
export function ruleFile(edited: boolean): RuleFile {
  const rules = RULES.map((rule) => ({ ...rule, ...(edited ? EDITS[String(rule.id)] : {}) }));
  return { specs: rules.map((rule) => ruleSpecSchema.parse(rule)), text: JSON.stringify({ rules }) };
}
