import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import { parseDurationUs } from "../../domain/time.ts";
import { activeSchema } from "../calendar/active-spec.ts";
import { parseCondition } from "../conditions/condition.ts";
import { isExpression } from "../conditions/expression.ts";
import { parseTemplate } from "../template/template.ts";
import { fillFile } from "./defaults.ts";
import { type LetSpec, letProblems, letSchema } from "./let-spec.ts";
import { aggregate, duration, names, window } from "./window-spec.ts";

const condition = z.string().superRefine((text, context) => {
  const parsed = parseCondition(text);
  if (typeof parsed === "string" && !isExpression(text)) context.addIssue({ code: "custom", message: parsed });
});

const texts = z.record(z.string().min(1), z.string());

/** A text with places that are filled in. */
const template = z.string().superRefine((text, context) => {
  for (const { source, message, help } of parseTemplate(text).faults)
    context.addIssue({ code: "custom", message, params: { code: "E003", help, fragment: source } });
});

const ruleFields = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, "must be small letters, digits, - _ and . (100 at most), like cold-room-warm")
    .describe("Names the rule; unique among all files. Its incidents go by it."),
  where: names
    .default({})
    .describe(
      "Which readings: by metric, device and tags. A value is exact, a list, or a glob with * and ?; with ! before it, it is excluded.",
    ),
  group_by: z
    .array(z.string().min(1))
    .min(1)
    .default(["device", "metric"])
    .describe("One window and one alert for each combination of these labels."),
  window: window.optional().describe("Over which readings is aggregated."),
  let: letSchema
    .optional()
    .describe(
      "In place of one series, several by name, each with its window; `when` is then a condition in CEL over the names.",
    ),
  absent: duration(1_000_000).optional().describe("In place of a window: fires when no reading came for so long."),
  aggregate: z
    .union([aggregate, z.array(aggregate).min(1)])
    .default("avg")
    .transform((value) => (typeof value === "string" ? [value] : value))
    .describe("What to compute; the condition looks at the first."),
  fill: z
    .enum(["none", "last"])
    .default("none")
    .describe("With `last`, tumbling windows without readings repeat the value before them."),
  when: condition.optional().describe("When the alert holds. Without it the rule only computes windows."),
  clear: condition.optional().describe("When it ends. Default: when `when` does not hold."),
  for: duration(0).default("0s").describe("How long `when` must hold before the alert fires."),
  keep_firing_for: duration(0).default("0s").describe("How long `clear` must hold before the alert ends."),
  flapping: z
    .strictObject({
      changes: z.int().min(3).max(100).describe("How many times it has begun to fire or ended when it is flapping."),
      within: duration(1_000_000).describe("In which time; and how long `clear` must hold until it ends then."),
    })
    .optional()
    .describe("Makes one alert of many that come and go: it fires on until it has been quiet for long enough."),
  active: activeSchema
    .optional()
    .describe(
      "When the rule is active, in local time; one such, or a list of which any is enough. Outside it no alert begins, and an open one ends.",
    ),
  lateness: duration(0).default("0s").describe("How long a window waits for readings that come out of order."),
  late: z
    .enum(["update", "drop"])
    .default("update")
    .describe("Readings for a closed window correct it, or are only counted."),
  severity: z.enum(SEVERITIES).default("warning").describe("How bad it is."),
  labels: texts.default({}).describe("Put on every alert of the rule."),
  shadow: z
    .boolean()
    .default(false)
    .describe("Runs the rule with nobody told of its alerts: to compare it with another by `weir rules diff`."),
  annotations: z
    .record(z.string().min(1), template)
    .default({})
    .describe("Texts for people. {{ value }}, {{ device }} (any label) and more are filled in."),
  notify: z.array(z.string().min(1)).default([]).describe("Who is told."),
  inhibited_by: z
    .array(
      z.strictObject({
        rule: z.string().min(1).describe("The other rule: its id, or a glob with * and ?."),
        equal: z.array(z.string().min(1)).default([]).describe("Labels that both incidents have, with equal values."),
      }),
    )
    .max(20)
    .default([])
    .describe("While an incident of another rule fires that agrees in these labels, nobody is told of this rule's."),
});

/** One rule as people write it, and as the log keeps it once its defaults are filled in. */
export const ruleSpecSchema = ruleFields
  .superRefine((rule, context) => {
    for (const { path, message } of problemsBetweenFields(rule))
      context.addIssue({ code: "custom", path: [path], message });
    if (rule.let === undefined) return;
    for (const { path, message, help } of letProblems(rule))
      context.addIssue({ code: "custom", path: [...path], message, params: { help } });
  })
  // The series of a condition are of different metrics.
  .transform((rule) =>
    rule.let === undefined ? rule : { ...rule, group_by: rule.group_by.filter((label) => label !== "metric") },
  );

interface Fields {
  readonly let?: LetSpec | undefined;
  readonly window?: { readonly tumbling?: string | undefined } | undefined;
  readonly absent?: string | undefined;
  /** Still as it was written when one of them is wrong. */
  readonly aggregate: string | readonly string[];
  readonly fill: string;
  readonly when?: string | undefined;
  readonly clear?: string | undefined;
  readonly for: string;
  readonly keep_firing_for: string;
}

function* problemsBetweenFields(rule: Fields): Iterable<{ readonly path: string; readonly message: string }> {
  if (rule.window === undefined && rule.absent === undefined && rule.let === undefined) {
    yield { path: "window", message: "is missing: a rule has a `window`, or is about what is `absent`" };
  }
  if (rule.let === undefined) {
    for (const path of ["when", "clear"] as const) {
      const text = rule[path];
      const parsed = text === undefined ? undefined : parseCondition(text);
      // Others are told where the field is checked.
      if (typeof parsed === "string" && isExpression(text ?? "")) yield { path, message: parsed };
    }
  }
  if (rule.window !== undefined && rule.absent !== undefined) {
    yield { path: "absent", message: "a rule has either a `window` or `absent`, not both" };
  }
  if (rule.absent !== undefined) {
    for (const path of ["when", "clear"] as const) {
      if (rule[path] !== undefined) yield { path, message: `\`${path}\` means nothing with \`absent\`` };
    }
    for (const path of ["for", "keep_firing_for"] as const) {
      if (parseDurationUs(rule[path]) !== 0)
        yield { path, message: `\`${path}\` does not go with \`absent\`; make \`absent\` longer` };
    }
  }
  if (rule.clear !== undefined && rule.when === undefined && rule.absent === undefined) {
    yield { path: "clear", message: "`clear` without `when` means nothing" };
  }
  const aggregates = typeof rule.aggregate === "string" ? [rule.aggregate] : rule.aggregate;
  const twice = aggregates.find((name, i) => aggregates.indexOf(name) < i);
  if (twice !== undefined) yield { path: "aggregate", message: `${twice} stands twice` };
  const isTumbling = rule.window?.tumbling !== undefined;
  if (rule.fill === "last" && !isTumbling) yield { path: "fill", message: "`fill: last` needs a tumbling window" };
  if (!isTumbling && aggregates.some((name) => name.startsWith("duration("))) {
    yield { path: "aggregate", message: "duration(...) needs a tumbling window" };
  }
}

export type RuleSpec = z.output<typeof ruleSpecSchema>;

/** What rules of a file have in common. */
export const defaultsSchema = ruleFields
  .omit({ id: true })
  .partial()
  .superRefine((fields, context) => {
    for (const other of ["window", "let"] as const) {
      if (fields.absent === undefined || fields[other] === undefined) continue;
      const message = `defaults have either \`${other}\` or \`absent\`, not both`;
      const params = { help: "a rule that says neither could not know which; write one of them in each rule" };
      context.addIssue({ code: "custom", path: ["absent"], message, params });
    }
  })
  .describe("Fields for all rules of this file that do not say them.");

/** A rule file as it is written: its rules need not say what `defaults` does. */
export const writtenFileSchema = z.strictObject({
  defaults: defaultsSchema.optional(),
  rules: z.array(ruleSpecSchema).describe("The rules of this file."),
});

/** The rules of a file, with their defaults filled in. */
export const ruleFileSchema = z.preprocess(fillFile, writtenFileSchema);
