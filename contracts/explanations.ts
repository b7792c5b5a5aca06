import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { alertStateSchema, figureSchema, nothingSchema, severitySchema, tagsSchema } from "./values.ts";

// Questions about rules and incidents, answered by the processors from the log.

/** A rule as written in its file. Only the processors know what it may contain. */
const ruleSchema: z.ZodType<object> = z.looseObject({});

/** The rules that the processors want in force, as written in their files, and the number of partitions. */
const rulesInForceSchema = z.object({ specs: z.array(ruleSchema), partitions: z.int().min(1) });

const incidentQuestionSchema = z.strictObject({ incident: z.string() });

export const explainedReadingSchema = z.object({
  device: z.string(),
  metric: z.string(),
  atUs: z.number(),
  value: figureSchema,
  sequence: z.int().describe("Its position in the log."),
  storedAtUs: z.number().describe("When the log stored it."),
});

/** A window that decided a change, computed again. */
const windowSchema = z.object({
  window: z.object({ startUs: z.number(), endUs: z.number() }),
  aggregate: z.string(),
  value: figureSchema,
  closedBy: z
    .enum(["reading", "idleness", "silence", "gone", "edit", "unknown"])
    .describe("What made the window close. `gone`: the device said that it is gone."),
  readings: z
    .array(explainedReadingSchema)
    .describe("The readings of the window as they were known then, by observation time; the first 1,000."),
  readingsInAll: z.int(),
  recomputed: z
    .union([z.number(), z.string()])
    .nullable()
    .describe("The aggregate over all of these readings, computed again; null where that is impossible."),
  agrees: z.boolean().nullable(),
  notes: z.array(z.string()),
});

const changeSchema = windowSchema.extend({
  id: z.string(),
  from: alertStateSchema,
  state: alertStateSchema,
  atUs: z.number().describe("Event time."),
  processedAtUs: z.number().describe("The log's time of the entry that caused it."),
  condition: z.string(),
  predicate: z.string().describe("In words: `avg 260 > 250 holds`."),
  watermarkUs: z.number().nullable(),
  latenessUs: z.number().nullable(),
  input: z.object({ stream: z.string(), partition: z.int(), sequence: z.int() }),
  parts: z
    .array(windowSchema.extend({ name: z.string() }))
    .exactOptional()
    .describe("For a condition over several series: the window of each. The other members then cover all of them."),
});

export const incidentExplanationSchema = z.object({
  incident: z.string(),
  rule: z.string(),
  key: tagsSchema,
  severity: severitySchema,
  state: alertStateSchema.describe("Its current state."),
  steps: z.array(changeSchema).describe("The changes, oldest first, each with the window that decided it."),
  notes: z.array(z.string()).describe("What remains unknown, and why."),
});

const whyNotQuestionSchema = z.strictObject({
  rule: z.string(),
  /** Labels that identify the group: as many as are needed. */
  labels: tagsSchema,
  /** The log's time. A time before the log begins is taken as event time. Default: now. */
  atUs: z.number().exactOptional(),
});

const reasonSchema = z.object({
  part: z.enum(["rule", "series", "readings", "window", "condition", "for", "clear", "silence"]),
  holds: z.boolean(),
  text: z.string(),
});

const whyNotAlertSchema = z.object({
  key: tagsSchema,
  state: alertStateSchema,
  /** The conditions for it to fire, in order. The first one that does not hold is the reason why it does not fire. */
  reasons: z.array(reasonSchema),
});

const whyNotAnswerSchema = z.object({
  rule: z.string(),
  labels: tagsSchema,
  atUs: z.number(),
  /** One for each group that fits the labels. */
  alerts: z.array(whyNotAlertSchema),
  /** Where no group fits: the reason. */
  reasons: z.array(reasonSchema),
});

/** Why an incident fired. */
export const EXPLAIN_INCIDENT = question("explain.incident", {
  ask: incidentQuestionSchema,
  answer: incidentExplanationSchema,
});
/** Why a rule does not fire for a group. */
export const EXPLAIN_WHY_NOT = question("explain.whyNot", { ask: whyNotQuestionSchema, answer: whyNotAnswerSchema });
export const EXPLAIN_RULES = question("explain.rules", { ask: nothingSchema, answer: rulesInForceSchema });

export type RulesInForce = Plain<z.infer<typeof rulesInForceSchema>>;
export type IncidentQuestion = Plain<z.infer<typeof incidentQuestionSchema>>;
export type IncidentExplanation = Plain<z.infer<typeof incidentExplanationSchema>>;
export type ExplainedChange = Plain<z.infer<typeof changeSchema>>;
export type ExplainedWindow = Plain<z.infer<typeof windowSchema>>;
export type ExplainedReading = Plain<z.infer<typeof explainedReadingSchema>>;
export type WhyNotQuestion = Plain<z.infer<typeof whyNotQuestionSchema>>;
export type WhyNotAnswer = Plain<z.infer<typeof whyNotAnswerSchema>>;
export type WhyNotAlert = Plain<z.infer<typeof whyNotAlertSchema>>;
export type Reason = Plain<z.infer<typeof reasonSchema>>;
