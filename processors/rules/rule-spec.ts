import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import { US_PER_DAY } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/schemas.ts";
import { AGGREGATES } from "../step/aggregates.ts";
import { parseCondition } from "./condition.ts";

const YEAR_US = 366 * US_PER_DAY;

const condition = z.string().superRefine((text, context) => {
  const parsed = parseCondition(text);
  if (typeof parsed === "string") context.addIssue({ code: "custom", message: parsed });
});

/** A duration that stays text: what is checked here is what the log holds. */
function duration(minUs: number) {
  const bounds = durationUsBetween({ minUs, maxUs: YEAR_US });
  return z.string().superRefine((text, context) => {
    const parsed = bounds.safeParse(text);
    for (const issue of parsed.error?.issues ?? []) context.addIssue({ code: "custom", message: issue.message });
  });
}

const names = z.record(z.string().min(1), z.union([z.string(), z.array(z.string()).min(1)]));
const texts = z.record(z.string().min(1), z.string());
const aggregate = z.enum(AGGREGATES);

/** One rule as people write it, and as the log keeps it once its defaults are filled in. */
export const ruleSpecSchema = z
  .strictObject({
    id: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9._-]{0,99}$/,
        "must be small letters, digits, - _ and . (100 at most), like cold-room-warm",
      )
      .describe("Names the rule; unique among all files. Its incidents go by it."),
    where: names
      .default({})
      .describe("Which readings: by metric, device and tags. A value is exact, a list, or a glob with * and ?."),
    group_by: z
      .array(z.string().min(1))
      .min(1)
      .default(["device", "metric"])
      .describe("One window and one alert for each combination of these labels."),
    window: z
      .strictObject({
        tumbling: duration(1000).describe("Windows of this length, one after the other, aligned to 1970-01-01 UTC."),
      })
      .describe("Over which time readings are aggregated."),
    aggregate: z
      .union([aggregate, z.array(aggregate).min(1)])
      .default("avg")
      .transform((value) => (typeof value === "string" ? [value] : value))
      .describe("What to compute; the condition looks at the first."),
    when: condition.optional().describe("When the alert holds. Without it the rule only computes windows."),
    clear: condition.optional().describe("When it ends. Default: when `when` does not hold."),
    for: duration(0).default("0s").describe("How long `when` must hold before the alert fires."),
    keep_firing_for: duration(0).default("0s").describe("How long `clear` must hold before the alert ends."),
    lateness: duration(0).default("0s").describe("How long a window waits for readings that come out of order."),
    late: z
      .enum(["update", "drop"])
      .default("update")
      .describe("Readings for a closed window correct it, or are only counted."),
    severity: z.enum(SEVERITIES).default("warning"),
    labels: texts.default({}).describe("Put on every alert of the rule."),
    annotations: texts
      .default({})
      .describe("Texts for people. {{ value }} and {{ device }} (any label) are filled in."),
    notify: z.array(z.string().min(1)).default([]).describe("Who is told."),
  })
  .superRefine((rule, context) => {
    if (!rule.group_by.includes("device")) {
      context.addIssue({
        code: "custom",
        path: ["group_by"],
        message: "must hold `device`: groups over several devices are not supported",
      });
    }
    if (rule.clear !== undefined && rule.when === undefined) {
      context.addIssue({ code: "custom", path: ["clear"], message: "`clear` without `when` means nothing" });
    }
    const { first, again } = firstTwice(rule.aggregate);
    if (again) context.addIssue({ code: "custom", path: ["aggregate"], message: `${first} stands twice` });
  });

export type RuleSpec = z.output<typeof ruleSpecSchema>;

export const ruleFileSchema = z.strictObject({ rules: z.array(ruleSpecSchema).describe("The rules of this file.") });

function firstTwice(values: readonly string[]): { first: string; again: boolean } {
  for (const [i, value] of values.entries()) if (values.indexOf(value) < i) return { first: value, again: true };
  return { first: "", again: false };
}
