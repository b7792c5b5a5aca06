import { z } from "zod";
import type { ExplainedReading, ExplainedWindow, IncidentExplanation } from "../../contracts/explanations.ts";
import { alertChangeSchema, deviceItemSchema } from "../../contracts/feed/items.ts";
import type { SeriesAnswer } from "../../contracts/history.ts";
import type { Acknowledgement, Delivery, OpenAlert, Silence } from "../../contracts/notifications.ts";
import { SEVERITIES } from "../../domain/alert.ts";
import { reportSchema, retryResultSchema, retrySchema } from "./dead-letters.ts";

/** What the HTTP API answers, for its description. Instants end in `Us`: whole microseconds since 1970. */

const texts = z.record(z.string(), z.string());
const state = z.enum(["inactive", "pending", "firing", "resolved"]);
/** A figure that is none comes as null over JSON. */
const figure = z.union([z.number(), z.string(), z.null().transform(() => Number.NaN)]);
const orNone = z.union([z.number(), z.string(), z.null()]);
const figures = z.array(z.number());

export const seriesAnswer = z.object({
  device: z.string(),
  metric: z.string(),
  fromUs: z.number(),
  toUs: z.number(),
  downSampling: z.literal("min-max-avg").describe("What each bucket keeps: nothing that stands out is lost."),
  atUs: figures.describe("Where each bucket begins, oldest first. Empty buckets are left out."),
  min: figures,
  max: figures,
  avg: figures,
  count: figures.describe("Readings in each bucket."),
}) satisfies z.ZodType<SeriesAnswer>;

export const alertsAnswer = z.object({
  alerts: z.array(alertChangeSchema).describe("Newest first."),
  next: z.string().exactOptional().describe("Give this as `after` for the next page; left out when there is no more."),
});

export const devicesAnswer = z.object({
  total: z.int().min(0).describe("Devices that fit the filter."),
  devices: z.array(deviceItemSchema).describe("By name."),
  next: z.string().exactOptional().describe("Give this as `after` for the next page; left out when there is no more."),
});

export const rulesAnswer = z.object({
  version: z.union([z.string(), z.null()]).describe("Null while no rule set is in force."),
  sequence: z.union([z.int(), z.null()]).describe("Where the rule set stands in the readings log."),
  rules: z.array(z.looseObject({ id: z.string() })).describe("As docs/rules.md has them, with every default."),
});

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
  silencedBy: z.array(z.string()).describe("Ids of the silences that hold it now."),
  inhibitedBy: z.array(z.string()).describe("Incidents of other rules that hold it now (`inhibited_by`), ten at most."),
}) satisfies z.ZodType<OpenAlert>;

export const openAlertsAnswer = z.object({ alerts: z.array(openAlertSchema).describe("Longest open first.") });

export const incidentAnswer = z.object({
  incident: z.string(),
  changes: z.array(alertChangeSchema).describe("Oldest first."),
});

const explainedReading = z.object({
  device: z.string(),
  metric: z.string(),
  atUs: z.number(),
  value: figure,
  sequence: z.int().describe("Where it stands in the log."),
  storedAtUs: z.number(),
}) satisfies z.ZodType<ExplainedReading>;

const explainedWindow = z.object({
  window: z.object({ startUs: z.number(), endUs: z.number() }),
  aggregate: z.string(),
  value: figure,
  closedBy: z.enum(["reading", "idleness", "silence", "edit", "unknown"]).describe("What made the window close."),
  readings: z.array(explainedReading).describe("The first 1,000, by observation time."),
  readingsInAll: z.int(),
  recomputed: orNone.describe("The aggregate over all of these readings, computed anew; null where it cannot be."),
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
          .describe("For a condition over several series: each of them."),
      }),
    )
    .describe("The changes, oldest first, each with the window that decided it."),
  notes: z.array(z.string()).describe("What could not be found out, and why."),
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
      "failed: given up, a dead letter. silenced, inhibited, muted: not to be told. skipped: too old, and over. collapsed: " +
        "began and ended before it was sent. waiting, sending: not decided yet.",
    ),
  attempts: z.int(),
  repeats: z.int(),
  error: z.string().exactOptional(),
  inhibitedBy: z.array(z.string()).exactOptional(),
  notification: z.string().exactOptional().describe("The message that told it: its `webhook-id`."),
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

export const activityAnswer = z.object({
  version: z.union([z.string(), z.null()]),
  sequence: z.union([z.int(), z.null()]),
  inForceSinceUs: z
    .union([z.number(), z.null()])
    .describe("When the log stored the rule set; null when not known any more."),
  sinceUs: z.union([z.number(), z.null()]).describe("Event time of the oldest change that was counted."),
  rules: z.array(
    z.object({
      rule: z.string(),
      fired: z.int().min(0).describe("Incidents that fired, of those kept."),
      lastAtUs: z.number(),
    }),
  ),
});

export const letterSummary = z.object({
  sequence: z.int().min(1),
  storedAtUs: z.number(),
  reason: z
    .string()
    .describe("unknown-topic, bad-topic, bad-payload, bad-timestamp, too-large, write-refused, notification..."),
  detail: z.string().describe("For people."),
  topic: z.string(),
  clientId: z.string(),
  receivedAtUs: z.number(),
  position: z.int().exactOptional().describe("The first bad byte, where it is known."),
  retryOf: z.int().min(1).exactOptional().describe("The letter whose retry this one comes from."),
  payloadBytes: z.int().min(0),
  preview: z.string().describe("The payload's beginning, as text."),
  retryable: z.boolean().describe("Whether a retry would do something."),
  retry: retrySchema.exactOptional(),
});

export const lettersAnswer = z.object({
  total: z.int().min(0).describe("Letters that are kept."),
  reasons: z.record(z.string(), z.int()).describe("Of each reason."),
  letters: z.array(letterSummary).describe("Newest first."),
  next: z.int().exactOptional().describe("Give this as `before` for the next page; left out when there is no more."),
});

export const letterAnswer = letterSummary.extend({
  text: z.union([z.string(), z.null()]).describe("Null when the payload is no UTF-8."),
  base64: z.string(),
});

export const healthAnswer = z.object({ status: z.literal("ok") });

export const readinessAnswer = z.object({
  ready: z.boolean(),
  log: z.object({
    ready: z.boolean(),
    durability: z.enum(["synced", "stored", "replicated", "unknown"]).describe("What an acknowledgement is worth."),
  }),
  services: z.array(
    z.object({
      name: z.string(),
      ready: z.boolean(),
      detail: z.string(),
      notice: z.string().exactOptional().describe("The work goes on, but something wants a person."),
    }),
  ),
});

export const problemAnswer = z.object({
  type: z.string().describe("`urn:weir:problem:` and the code."),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe("What is wrong here, and how to mend it, for people."),
  code: z.string().describe("Names the kind of problem for programs."),
  errors: z
    .array(z.object({ parameter: z.string(), detail: z.string() }))
    .exactOptional()
    .describe("Which parameters or members are wrong."),
});

/** Under these names they stand in the description. */
export const NAMED_SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  Acknowledgement: acknowledgementSchema,
  AlertChange: alertChangeSchema,
  DeadLetter: letterAnswer,
  DeadLetterSummary: letterSummary,
  Delivery: deliverySchema,
  DeviceItem: deviceItemSchema,
  ExplainedReading: explainedReading,
  IncidentExplanation: explanationSchema,
  LetterRetry: retrySchema,
  OpenAlert: openAlertSchema,
  Problem: problemAnswer,
  Readiness: readinessAnswer,
  RetryReport: reportSchema,
  RetryResult: retryResultSchema,
  Series: seriesAnswer,
  Silence: silenceSchema,
};
