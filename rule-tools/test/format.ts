import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import { INSTANT_US_MAX, parseDurationUs, US_PER_DAY, US_PER_MS } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/files/schemas.ts";
import { parseValues } from "./series-values.ts";

const YEAR_US = 366 * US_PER_DAY;
const ZONED_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z$/;

/** A time in a test: a duration after its start, or an instant. */
export type Moment =
  | { readonly kind: "after"; readonly us: number }
  | { readonly kind: "instant"; readonly us: number };

const moment = z.union([z.string(), z.literal(0)]).transform((given, context): Moment => {
  if (given === 0) return { kind: "after", us: 0 };
  const us = parseDurationUs(given);
  if (us !== undefined && us <= YEAR_US) return { kind: "after", us };
  const instantUs = ZONED_INSTANT.test(given) ? Date.parse(given) * US_PER_MS : Number.NaN;
  if (Math.abs(instantUs) <= INSTANT_US_MAX) return { kind: "instant", us: instantUs };
  const message = `"${given}" is not a time of a test; write a duration after its start (4m, 1h30m; at most a year), or 2026-01-01T00:04:00Z`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

const length = (minUs: number) => durationUsBetween({ minUs, maxUs: YEAR_US });
/** YAML reads some labels as numbers or booleans, but the gateway's labels are always texts. */
const label = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const value = z.union([z.number(), z.boolean(), z.string()]);

const values = z
  .union([z.string(), z.number(), z.boolean(), z.array(value.nullable()).min(1)])
  .transform((given, context): readonly (ReadingValue | undefined)[] => {
    if (Array.isArray(given)) return given.map((one) => one ?? undefined);
    if (typeof given !== "string") return [given];
    const parsed = parseValues(given);
    if (typeof parsed !== "string") return parsed;
    context.addIssue({ code: "custom", message: parsed });
    return z.NEVER;
  });

const SERIES_FIELDS = ["device", "metric", "every", "values", "from", "arrives", "duplicate"];

const series = z
  .object({
    device: label.describe("The device."),
    metric: z.string().min(1).describe("The metric."),
    every: length(1).describe("Time between two values."),
    values: values.describe(
      "Consecutive values: `5x6 9+0.5x4 _x2 true open`, where `_` is a missing reading. Or a list.",
    ),
    from: moment.optional().describe("Observation time of the first value. Default: the start of the test."),
    arrives: length(0).optional().describe("How long after its observation each reading arrives. Default: 0s."),
    duplicate: z.boolean().default(false).describe("Each reading arrives twice."),
  })
  .catchall(label)
  .superRefine((given, context) => {
    for (const key of Object.keys(given)) {
      const near = SERIES_FIELDS.includes(key) ? undefined : SERIES_FIELDS.find((field) => areNear(key, field));
      if (near !== undefined) {
        context.addIssue({
          code: "custom",
          path: [key],
          message: `would be a tag of the series; did you mean \`${near}\`?`,
        });
      }
    }
  });

const where = z
  .record(z.string().min(1), z.union([label, z.array(label).min(1)]))
  .default({})
  .describe("Which series, as in a rule. Default: all.");
const stretch = { where, for: length(1).describe("How long, in observation time.") };

const EVENT_KINDS = ["reading", "late", "missing", "duplicate", "edit", "restart", "tick", "down"] as const;

const event = z
  .strictObject({
    at: moment.describe("When the event happens."),
    reading: z
      .object({
        device: label,
        metric: z.string().min(1),
        value,
        observed: moment.optional().describe("Observation time. Default: when the reading arrives."),
      })
      .catchall(label)
      .optional()
      .describe("An additional reading arrives."),
    late: z
      .strictObject({ ...stretch, by: length(1).describe("How much later they arrive.") })
      .optional()
      .describe("Readings observed from then on arrive late."),
    missing: z.strictObject(stretch).optional().describe("Readings observed from then on never arrive."),
    duplicate: z.strictObject(stretch).optional().describe("Readings observed from then on arrive twice."),
    edit: z
      .record(z.string().min(1), z.union([z.record(z.string(), z.unknown()), z.null()]))
      .optional()
      .describe("Edits rules: by id, the fields that change. null removes the rule or the field."),
    restart: z.literal(true).optional().describe("Restarts the processor from its saved state."),
    tick: z.literal(true).optional().describe("Lets time pass, as in a quiet partition."),
    down: length(1).optional().describe("Nothing runs for this long. Readings that arrive in the meantime wait."),
  })
  .superRefine((given, context) => {
    const found = EVENT_KINDS.filter((kind) => given[kind] !== undefined);
    if (found.length === 1) return;
    const what = found.length === 0 ? "none" : found.join(" and ");
    context.addIssue({
      code: "custom",
      message: `an event needs exactly one of ${EVENT_KINDS.join(", ")}; this one has ${what}`,
    });
  });
export type TestEvent = z.output<typeof event>;

const expectation = z
  .object({
    at: moment.describe("At this processing time, after everything that happens at it..."),
    rule: z.string().min(1).describe("...the alert of this rule..."),
    state: z.enum(["inactive", "pending", "firing", "resolved"]).describe("...is in this state."),
    value: z.union([z.number(), z.string()]).optional().describe("The value of the alert's newest change."),
    severity: z.enum(SEVERITIES).optional().describe("Its severity, for a rule with `levels`."),
    tolerance: z.number().positive().optional().describe("How far `value` may be off. Default: a millionth of it."),
  })
  .catchall(label);
export type Expectation = z.output<typeof expectation>;

const windowExpectation = z
  .object({
    rule: z.string().min(1),
    end: moment.describe("The end of the window."),
    start: moment.optional().describe("The start of the window, if several end at the same time."),
    at: moment.optional().describe("As known at this processing time. Default: the end of the test."),
    revision: z.int().min(0).optional().describe("How often the window was corrected."),
    values: z
      .record(z.string(), z.union([z.number(), z.string()]))
      .optional()
      .describe("The expected aggregates, by name."),
    tolerance: z.number().positive().optional().describe("How far `values` may be off. Default: a millionth."),
    none: z.literal(true).optional().describe("There is no such window (or it was retracted)."),
  })
  .catchall(label)
  .superRefine(({ none, values: wanted, revision }, context) => {
    if (none !== undefined && (wanted !== undefined || revision !== undefined)) {
      context.addIssue({ code: "custom", path: ["none"], message: "a window that must not exist has no values" });
    } else if (none === undefined && wanted === undefined && revision === undefined) {
      context.addIssue({
        code: "custom",
        message: "says nothing about the window: give `values`, `revision` or `none: true`",
      });
    }
  });
export type WindowExpectation = z.output<typeof windowExpectation>;

/** Names of fields, as opposed to labels. */
export const EXPECTATION_FIELDS = ["at", "rule", "state", "value", "severity", "tolerance"];
export const WINDOW_EXPECTATION_FIELDS = ["rule", "end", "start", "at", "revision", "values", "tolerance", "none"];
export const READING_FIELDS = ["device", "metric", "value", "observed"];
export { SERIES_FIELDS };

const test = z.strictObject({
  name: z.string().min(1).describe("Describes the test."),
  start: z
    .string()
    .regex(ZONED_INSTANT, "must be an instant in UTC like 2026-01-01T00:00:00Z")
    .default("2026-01-01T00:00:00Z")
    .transform((text) => Date.parse(text) * US_PER_MS)
    .describe("The instant from which the times of the test count. Windows are aligned to UTC."),
  series: z.array(series).default([]).describe("Readings at regular intervals."),
  events: z.array(event).default([]).describe("Other events."),
  expect: z.array(expectation).default([]).describe("The expected states of alerts at given times."),
  expect_windows: z.array(windowExpectation).default([]).describe("The expected results of windows."),
  exhaustive: z.boolean().default(true).describe("An unexpected change to firing or resolved fails the test."),
  until: moment.optional().describe("How long to run. Default: until the last event or expectation."),
});
export type TestCase = z.output<typeof test>;

/** A `*.test.yaml` file. */
export const testFileSchema = z.strictObject({
  rule_files: z.array(z.string().min(1)).min(1).describe("Rule files, relative to this file's folder."),
  tests: z.array(test).min(1).describe("Tests. Each starts with a fresh state."),
});

/** A JSON Schema with which editors complete and check test files. */
export function testFileJsonSchema(): unknown {
  return z.toJSONSchema(testFileSchema, { io: "input", unrepresentable: "any" });
}

/** The remaining texts of an entry with these fields: its labels. */
export function labelsOf(given: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, text] of Object.entries(given)) {
    if (!fields.includes(name) && typeof text === "string") labels[name] = text;
  }
  return labels;
}

/** Whether one letter is added, missing or different, or two letters are swapped. */
function areNear(a: string, b: string): boolean {
  if (a.length < 4 || Math.abs(a.length - b.length) > 1 || a === b) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const [restA, restB] = [a.slice(i), b.slice(i)];
  if (restA.slice(1) === restB || restA === restB.slice(1) || restA.slice(1) === restB.slice(1)) return true;
  return restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
}
