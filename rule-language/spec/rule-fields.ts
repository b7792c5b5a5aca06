import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import { addFault } from "../../platform/files/fault.ts";
import { AGGREGATE_DEFINITIONS } from "../aggregates/aggregate.ts";
import { ACTIVE } from "../calendar/active-spec.ts";
import type { Field, Fields } from "../fields/field.ts";
import { parseTemplate } from "../template/template.ts";
import { TEMPLATE_TEXTS } from "../template/template-texts.ts";
import { aggregate } from "./aggregate-field.ts";
import { condition, conditionHint } from "./condition-field.ts";
import { FLAPPING } from "./flapping-spec.ts";
import { LET } from "./let-spec.ts";
import { LEVELS } from "./levels-spec.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";
import { suggestId } from "./suggest-id.ts";
import { VALUE_FIELDS } from "./value-fields.ts";
import { wherePatterns } from "./where-pattern.ts";
import { duration, WINDOW } from "./window-spec.ts";

/** A text with placeholders. */
const template = z.string().superRefine((text, context) => {
  for (const { source, ...fault } of parseTemplate(text).faults)
    addFault(context, TEMPLATE_TEXTS, { ...fault, fragment: source });
});

const texts = z.record(z.string().min(1), z.string());
const NOT_ABSENT = ["window", "let"] as const;
const ID_PATTERN = "^[a-z0-9][a-z0-9._-]{0,99}$";

/**
 * Every field of a rule, once. The schema, the JSON Schema, the reference, the suggestions for misspelt and misplaced
 * keys, the defaults, and the warning about fields without effect all derive from this table.
 */
export const RULE_FIELDS = {
  id: {
    schema: z
      .string()
      .meta({ pattern: ID_PATTERN })
      .superRefine((text, context) => {
        if (new RegExp(ID_PATTERN).test(text)) return;
        addFault(context, SPEC_TEXTS, { code: "bad_id", facts: { text, meant: suggestId(text) } });
      }),
    doc: "The name of the rule, unique across all files. Incidents refer to it.",
    takes: "id",
    synonyms: ["alert", "name", "rule"],
    hint: () => ({ example: "id: cold-room-warm" }),
    examples: [{ value: "cold-room-warm", meaning: "lower-case letters, digits, - _ and ." }],
  },
  where: {
    schema: wherePatterns.default({}),
    doc: "Which readings, by metric, device and tags. A value is an exact text, a glob with * and ?, or a list of these. A ! before a value excludes it.",
    takes: "label: value, list or glob",
    mergesByName: true,
    synonyms: ["filter", "match", "selector"],
    hint: whereHint,
    examples: [
      {
        value: { metric: "temperature", site: ["north", "south"], device: "cold-*" },
        meaning: "all three must match; one entry of a list is enough",
      },
      {
        value: { device: ["cold-*", "!cold-9"], site: "!lab" },
        meaning: "all cold rooms except the ninth, anywhere except in the lab; a series without a site matches",
      },
      { value: {}, meaning: "every reading" },
    ],
  },
  group_by: {
    schema: z.union([z.literal("series"), z.array(z.string().min(1)).min(1)]).default("series"),
    doc: "One window and one alert for each combination of these labels. With `series`, for each combination of device, metric and all tags; with `let`, of device and all tags.",
    takes: "`series`, or list of names",
    synonyms: ["by"],
    hint: (value) => ({
      what: "`series` or a list of names",
      example: `group_by: [${typeof value === "string" ? value : "device"}]`,
    }),
    examples: [
      { value: "series", meaning: "one alert for each series: three phases of a meter (a tag) have three" },
      { value: ["device"], meaning: "one alert for each device name, over all its metrics and tags" },
      { value: ["site", "metric"], meaning: "all devices of a site together, each metric separately" },
    ],
  },
  window: { ...WINDOW, takes: "one of those below" },
  let: LET,
  absent: {
    schema: duration(1_000_000).optional(),
    doc: "Instead of a window: fires when no reading arrives for this long.",
    takes: "duration",
    for: ["absent"],
    synonyms: ["timeout", "silence", "deadman"],
    examples: [{ value: "5m", meaning: "no reading for five minutes" }],
  },
  aggregate: {
    schema: z
      .union([aggregate, z.array(aggregate).min(1)])
      .default("avg")
      .transform((value) => (typeof value === "string" ? [value] : value)),
    doc: "What to compute. The condition uses the first.",
    takes: "aggregate, or a list of them",
    for: ["window"],
    synonyms: ["function", "agg"],
    examples: AGGREGATE_DEFINITIONS.flatMap(({ examples = [] }) => examples),
  },
  fill: {
    schema: z.enum(["none", "last"]).default("none"),
    doc: "With `last`, tumbling windows without readings repeat the last value.",
    takes: "`none`, `last`",
    for: ["window"],
    words: { previous: "last", true: "last", yes: "last", null: "none", zero: "none", false: "none" },
    examples: [{ value: "last", meaning: "for a sensor that reports only changes" }],
  },
  fill_for: {
    schema: duration(1000).default("1d"),
    doc: "With `fill: last`: for how long after a reading its value is repeated.",
    takes: "duration",
    for: ["window", "let"],
    synonyms: ["fill_max", "fill_limit"],
    examples: [{ value: "7d", meaning: "a contact that reports once a week still holds its state" }],
  },
  ...VALUE_FIELDS,
  when: {
    schema: condition.optional(),
    doc: "The condition of the alert. Without it, the rule only computes windows.",
    takes: "condition",
    for: NOT_ABSENT,
    synonyms: ["expr", "condition", "threshold", "trigger", "if"],
    hint: (value) => conditionHint("when", value),
    examples: [
      { value: "> 8", meaning: "also >= < <= == !=" },
      { value: "outside 2 and 8", meaning: "below 2 or above 8" },
      { value: "between 40 and 60", meaning: "from 40 to 60, both included" },
      { value: "== open", meaning: "with aggregate: last, the text `open`" },
    ],
  },
  clear: {
    schema: condition.optional(),
    doc: "The condition that ends the alert. Default: `when` no longer holds.",
    takes: "condition",
    for: NOT_ABSENT,
    synonyms: ["until", "reset", "resolve", "hysteresis"],
    hint: (value) => conditionHint("clear", value),
    examples: [{ value: "< 7.5", meaning: "ends half a degree below the limit at which it began" }],
  },
  levels: LEVELS,
  for: {
    schema: duration(0).default("0s"),
    doc: "How long `when` must hold before the alert fires.",
    takes: "duration",
    for: NOT_ABSENT,
    isOfAlerts: true,
    synonyms: ["hold", "duration"],
    examples: [{ value: "10m", meaning: "ten minutes without a break" }],
  },
  partial: {
    schema: z.enum(["keep", "skip"]).default("keep"),
    doc: "With `skip`, the alert does not evaluate windows that began before a key's first reading: they are only partly filled.",
    takes: "`keep`, `skip`",
    for: ["window"],
    isOfAlerts: true,
    words: { ignore: "skip", drop: "skip" },
    examples: [{ value: "skip", meaning: "a device that appears at half past is not short of readings in that hour" }],
  },
  max_gap: {
    schema: duration(1000).optional(),
    doc: "With `for`: a longer time between two results starts `for` again. Default: three times the usual time between results of the key, and at least two windows.",
    takes: "duration",
    for: NOT_ABSENT,
    isOfAlerts: true,
    synonyms: ["gap", "max_silence"],
    examples: [{ value: "15m", meaning: "what was true before 15 minutes of silence does not count" }],
  },
  keep_firing_for: {
    schema: duration(0).default("0s"),
    doc: "How long `clear` must hold before the alert ends.",
    takes: "duration",
    for: NOT_ABSENT,
    isOfAlerts: true,
    examples: [{ value: "5m", meaning: "ends after five quiet minutes" }],
  },
  flapping: FLAPPING,
  active: ACTIVE,
  lateness: {
    schema: duration(0).default("0s"),
    doc: "How long a window waits for readings that arrive out of order.",
    takes: "duration",
    for: NOT_ABSENT,
    synonyms: ["grace"],
    examples: [{ value: "10s", meaning: "each window waits ten seconds for stragglers" }],
  },
  late: {
    schema: z.enum(["update", "drop"]).default("update"),
    doc: "Whether late readings correct their closed window (`update`) or are only counted (`drop`).",
    takes: "`update`, `drop`",
    for: NOT_ABSENT,
    words: { ignore: "drop", correct: "update" },
    examples: [{ value: "drop", meaning: "a published window never changes" }],
  },
  forget_after: {
    schema: duration(1_000_000).default("30d"),
    doc: "How long a key is kept without readings. After that its open alert ends and its state is dropped.",
    takes: "duration",
    synonyms: ["ttl", "expire", "expire_after", "retention"],
    examples: [{ value: "90d", meaning: "for sensors that report only once a month" }],
  },
  severity: {
    schema: z.enum(SEVERITIES).default("warning"),
    doc: "How serious the alert is.",
    takes: SEVERITIES.map((word) => `\`${word}\``).join(", "),
    isOfAlerts: true,
    synonyms: ["level", "priority"],
    words: {
      ...{ high: "critical", error: "critical", fatal: "critical", emergency: "critical", alert: "critical" },
      ...{ major: "critical", crit: "critical", warn: "warning", medium: "warning", minor: "warning" },
      ...{ information: "info", low: "info", notice: "info" },
    },
    examples: [{ value: "critical", meaning: "info, warning or critical" }],
  },
  labels: {
    schema: texts.default({}),
    doc: "Labels to add to every alert of the rule.",
    takes: "name: text",
    mergesByName: true,
    isOfAlerts: true,
    synonyms: ["tags"],
    hint: (_, at) => (at.length === 1 ? { example: "labels: { team: facilities }" } : {}),
    examples: [{ value: { team: "facilities" }, meaning: "for routing and silences" }],
  },
  shadow: {
    schema: z.boolean().default(false),
    doc: "Runs the rule without sending notifications, to compare it with another rule (`weir rules diff`).",
    takes: "`true`, `false`",
    isOfAlerts: true,
    examples: [
      { value: true, meaning: "shows which alerts another threshold would have raised, without notifications" },
    ],
  },
  annotations: {
    schema: z.record(z.string().min(1), template).default({}),
    doc: "Texts for people. Placeholders such as {{ value }} and {{ device }} (any label) are filled in.",
    takes: "name: text",
    mergesByName: true,
    isOfAlerts: true,
    hint: (_, at) => (at.length === 1 ? { example: 'annotations: { summary: "{{ device }} is warm" }' } : {}),
    examples: [
      {
        value: { summary: "{{ device }} at {{ value }} °C" },
        meaning: "value, group labels and rule labels are filled in",
      },
      {
        value: { summary: "{{ device }}: {{ value | fixed 1 }} °C since {{ active_at | time 'Europe/Berlin' }}" },
        meaning: "one decimal, and local time",
      },
    ],
  },
  notify: {
    schema: z.array(z.string().min(1)).default([]),
    doc: "Who is notified: names of receivers from `notifier` in weir.yaml.",
    takes: "list of names",
    isOfAlerts: true,
    synonyms: ["receivers", "to"],
    examples: [{ value: ["ops"], meaning: "the receiver `ops` from weir.yaml" }],
  },
  inhibited_by: {
    schema: z
      .array(
        z.strictObject({
          rule: z.string().min(1).describe("The other rule: its id, or a glob with * and ?."),
          equal: z
            .array(z.string().min(1))
            .default([])
            .describe("Labels that both incidents must have with equal values."),
        }),
      )
      .max(20)
      .default([]),
    doc: "Sends no notifications for this rule's incidents while an incident of another rule with the same values of these labels fires.",
    takes: "list of { rule, equal }",
    isOfAlerts: true,
    hint(value, at) {
      const rule = typeof value === "string" && at.length === 1 ? value : "gateway-silent";
      return at.length < 3 ? { example: `inhibited_by: [{ rule: ${rule}, equal: [site] }]` } : {};
    },
    examples: [
      {
        value: [{ rule: "gateway-silent", equal: ["site"] }],
        meaning: "while a gateway is silent, the sensors behind it cause no notifications",
      },
    ],
  },
} satisfies Fields;

/** The table, with its optional properties. */
export const ALL_RULE_FIELDS: Readonly<Record<string, Field>> = { ...RULE_FIELDS };

const NEGATIONS = /^(?:not|ne|neq|!|!=|not_in|not_equals?|exclude|except|unless)$/i;

function whereHint(value: unknown, at: readonly PropertyKey[]) {
  if (at.length === 1) return { example: "where: { metric: temperature }" };
  if (typeof value !== "object" || value === null) return {};
  const label = String(at[1]);
  const isNegation = [label, ...Object.keys(value)].some((name) => NEGATIONS.test(name));
  return isNegation
    ? { example: `${NEGATIONS.test(label) ? "site" : label}: "!lab", with a ! before what to exclude` }
    : { example: `one text or a list: ${label}: [north, "south-*"]` };
}
