import { z } from "zod";
import { SEVERITIES } from "../../domain/alert.ts";
import type { ExplainedReading, ExplainedWindow, IncidentExplanation } from "../explanations.ts";
import { alertChangeSchema } from "../feed/items.ts";
import type { Acknowledgement, Delivery, OpenAlert, Silence } from "../notifications.ts";

// What the HTTP API answers about alerts, incidents and silences. Instants end in `Us`: whole microseconds since 1970.

const texts = z.record(z.string(), z.string());
const state = z.enum(["inactive", "pending", "firing", "resolved"]);
/** JSON has no NaN, so a value that is not a number is null. */
const figure = z.union([z.number(), z.string(), z.null().transform(() => Number.NaN)]);
const orNone = z.union([z.number(), z.string(), z.null()]);

export const alertsAnswer = z.object({
  alerts: z.array(alertChangeSchema).describe("Newest first."),
  next: z.string().exactOptional().describe("Send this as `after` for the next page; left out on the last page."),
});
export type AlertsPage = z.output<typeof alertsAnswer>;

export const acknowledgementSchema = z.object({
  incident: z.string(),
  by: z.string(),
  note: z.string(),
  atUs: z.number(),
}) satisfies z.ZodType<Acknowledgement>;

export const openAlertSchema = z.object({
  incident: z.string(),
  rule: z.string(),
  severity: z.enum(SEVERITIES),
  state,
  key: texts,
  labels: texts,
  annotations: texts,
  value: figure,
  activeAtUs: z.number().describe("Event time at which the condition first held."),
  atUs: z.number(),
  acknowledgement: acknowledgementSchema.exactOptional(),
  silencedBy: z.array(z.string()).describe("Ids of the silences that apply now."),
  inhibitedBy: z
    .array(z.string())
    .describe("Incidents of other rules that inhibit it now (`inhibited_by`), ten at most."),
}) satisfies z.ZodType<OpenAlert>;

export const openAlertsAnswer = z.object({ alerts: z.array(openAlertSchema).describe("Longest open first.") });

export const incidentAnswer = z.object({
  incident: z.string(),
  changes: z.array(alertChangeSchema).describe("Oldest first."),
});

export const explainedReadingSchema = z.object({
  device: z.string(),
  metric: z.string(),
  atUs: z.number(),
  value: figure,
  sequence: z.int().describe("Its place in the log."),
  storedAtUs: z.number(),
}) satisfies z.ZodType<ExplainedReading>;

const explainedWindow = z.object({
  window: z.object({ startUs: z.number(), endUs: z.number() }),
  aggregate: z.string(),
  value: figure,
  closedBy: z.enum(["reading", "idleness", "silence", "edit", "unknown"]).describe("What made the window close."),
  readings: z.array(explainedReadingSchema).describe("The first 1,000, by observation time."),
  readingsInAll: z.int(),
  recomputed: orNone.describe(
    "The aggregate over all of these readings, computed again; null where that is impossible.",
  ),
  agrees: z.union([z.boolean(), z.null()]),
  notes: z.array(z.string()),
}) satisfies z.ZodType<ExplainedWindow>;

export const explanationSchema = z.object({
  incident: z.string(),
  rule: z.string(),
  key: texts,
  severity: z.enum(SEVERITIES),
  state,
  steps: z
    .array(
      z.object({
        id: z.string(),
        from: state,
        state,
        atUs: z.number(),
        processedAtUs: z.number(),
        condition: z.string(),
        predicate: z.string().describe("In words: `avg 260 > 250 holds`."),
        watermarkUs: z.union([z.number(), z.null()]),
        latenessUs: z.union([z.number(), z.null()]),
        input: z.object({ stream: z.string(), partition: z.int(), sequence: z.int() }),
        ...explainedWindow.shape,
        parts: z
          .array(z.object({ name: z.string(), ...explainedWindow.shape }))
          .exactOptional()
          .describe("For a condition over several series: the window of each."),
      }),
    )
    .describe("The changes, oldest first, each with the window that decided it."),
  notes: z.array(z.string()).describe("What remains unknown, and why."),
}) satisfies z.ZodType<IncidentExplanation>;

export const explanationAnswer = z.object({ incident: z.string(), explanation: explanationSchema });

export const deliverySchema = z.object({
  receiver: z.string().describe("Receiver and target: `ops.webhook`."),
  incident: z.string(),
  change: z.string().describe("The change's id."),
  state,
  outcome: z
    .enum(["waiting", "sending", "delivered", "failed", "silenced", "inhibited", "muted", "skipped", "collapsed"])
    .describe(
      "failed: given up, a dead letter. silenced, inhibited, muted: not sent on purpose. skipped: too old, and over. " +
        "collapsed: began and ended before it was sent. waiting, sending: not decided yet.",
    ),
  attempts: z.int(),
  repeats: z.int(),
  error: z.string().exactOptional(),
  inhibitedBy: z.array(z.string()).exactOptional(),
  notification: z.string().exactOptional().describe("The message that carried it: its `webhook-id`."),
  atUs: z.number(),
}) satisfies z.ZodType<Delivery>;

export const deliveriesAnswer = z.object({
  incident: z.string(),
  deliveries: z.array(deliverySchema).describe("Oldest first."),
});

export const silenceSchema = z.object({
  id: z.string(),
  matchers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  fromUs: z.number(),
  untilUs: z.number(),
  by: z.string(),
  why: z.string(),
  createdAtUs: z.number(),
}) satisfies z.ZodType<Silence>;

export const silencesAnswer = z.object({ silences: z.array(silenceSchema) });
