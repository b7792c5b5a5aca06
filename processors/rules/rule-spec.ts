import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/schemas.ts";
import { parseAggregate } from "../step/aggregates/aggregate.ts";
import { parseCondition } from "./condition.ts";

const YEAR_US = 366 * US_PER_DAY;
/** More windows than this in one are no longer cheap to keep. */
const OVERLAP_MAX = 1_000;

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

const aggregate = z.string().superRefine((text, context) => {
  const parsed = parseAggregate(text);
  if (typeof parsed === "string") context.addIssue({ code: "custom", message: parsed });
});

const names = z.record(z.string().min(1), z.union([z.string(), z.array(z.string()).min(1)]));
const texts = z.record(z.string().min(1), z.string());

export const WINDOW_KINDS = ["tumbling", "hopping", "sliding", "session", "count"] as const;

const window = z
  .strictObject({
    tumbling: duration(1000)
      .optional()
      .describe("Windows of this length, one after the other, aligned to 1970-01-01 UTC."),
    hopping: duration(1000).optional().describe("Windows of this length, a new one beginning every `every`."),
    every: duration(1000)
      .optional()
      .describe("With `hopping`: how often a window begins; the length is a multiple of it."),
    sliding: duration(1000).optional().describe("With each reading, a window of this length that ends with it."),
    session: duration(1000).optional().describe("Readings less than this apart are of one window."),
    count: z.int().min(1).max(100_000).optional().describe("So many consecutive readings."),
  })
  .superRefine((value, context) => {
    const kinds = WINDOW_KINDS.filter((kind) => value[kind] !== undefined);
    if (kinds.length !== 1) {
      const found = kinds.length === 0 ? "none is" : `${kinds.join(" and ")} are`;
      const message = `must hold one of ${WINDOW_KINDS.join(", ")}; ${found} there`;
      context.addIssue({ code: "custom", message });
    }
    for (const message of hoppingProblems(value)) context.addIssue({ code: "custom", path: ["every"], message });
  });

function* hoppingProblems({
  hopping,
  every,
}: {
  readonly hopping?: string | undefined;
  readonly every?: string | undefined;
}) {
  if (every !== undefined && hopping === undefined) yield "`every` goes with `hopping`";
  if (hopping !== undefined && every === undefined) yield "`hopping` needs `every`: how often a window begins";
  const sizeUs = parseDurationUs(hopping ?? "");
  const everyUs = parseDurationUs(every ?? "");
  if (sizeUs === undefined || everyUs === undefined) return;
  if (sizeUs % everyUs !== 0) yield `the length ${hopping} must be a multiple of every ${every}`;
  else if (sizeUs / everyUs > OVERLAP_MAX)
    yield `at most ${OVERLAP_MAX} windows may overlap; ${hopping} every ${every} makes ${sizeUs / everyUs}`;
}

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
    window: window.optional().describe("Over which readings is aggregated."),
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
    annotations: texts
      .default({})
      .describe("Texts for people. {{ value }} and {{ device }} (any label) are filled in."),
    notify: z.array(z.string().min(1)).default([]).describe("Who is told."),
  })
  .superRefine((rule, context) => {
    for (const { path, message } of problemsBetweenFields(rule))
      context.addIssue({ code: "custom", path: [path], message });
  });

interface Fields {
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
  if (rule.window === undefined && rule.absent === undefined) {
    yield { path: "window", message: "is missing: a rule has a `window`, or is about what is `absent`" };
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

export const ruleFileSchema = z.strictObject({ rules: z.array(ruleSpecSchema).describe("The rules of this file.") });
