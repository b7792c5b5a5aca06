import { z } from "zod";
import { incidentExplanationSchema } from "../explanations.ts";
import { alertChangeSchema } from "../feed/items.ts";
import { acknowledgementSchema, deliverySchema, openAlertSchema, silenceSchema } from "../notifications.ts";
import type { Plain } from "../question.ts";
import { alertStateSchema, countSchema, severitySchema, tagsSchema } from "../values.ts";

// The HTTP API's answers about alerts, incidents and silences. Instants end in `Us`: whole microseconds since 1970.

const next = z.string().exactOptional().describe("Send this as `after` for the next page; left out on the last page.");

export const alertsAnswer = z.object({
  alerts: z.array(alertChangeSchema).describe("Newest first."),
  next,
});
export type AlertsPage = z.output<typeof alertsAnswer>;

export const openAlertsAnswer = z.object({ alerts: z.array(openAlertSchema).describe("Longest open first."), next });

const instantUs = z.number().describe("Microseconds since 1970-01-01T00:00:00Z, event time.");

/** An incident as people see it, also after its end. */
export const incidentSummarySchema = z.object({
  incident: z.string(),
  rule: z.string(),
  severity: severitySchema,
  state: alertStateSchema.describe("After its last change. `inactive`: it ended before it fired."),
  key: tagsSchema.describe("The group that it is about."),
  labels: tagsSchema,
  title: z.string().describe("The text of the moment at which it fired; of a pending incident, the present text."),
  activeAtUs: instantUs,
  firedAtUs: instantUs.exactOptional().describe("Left out for an incident that has not fired."),
  endedAtUs: instantUs.exactOptional().describe("Left out while it is open, like the duration."),
  durationS: z
    .number()
    .exactOptional()
    .describe("How long it fired, in seconds. If it never fired: how long it was pending."),
  worst: z
    .union([z.number(), z.null().transform(() => Number.NaN)])
    .exactOptional()
    .describe("The most extreme value in the direction of the condition; left out where there is none."),
  aggregate: z
    .string()
    .describe("What its values are: the aggregate of its condition; `absent` for a silence, in seconds."),
  muted: z.literal(true).exactOptional(),
  acknowledgement: acknowledgementSchema.exactOptional().describe("The newest one."),
  deliveries: z.array(deliverySchema).describe("Who was notified, and with what outcome; oldest first."),
});
export type IncidentSummary = Plain<z.output<typeof incidentSummarySchema>>;

export const incidentsAnswer = z.object({
  incidents: z.array(incidentSummarySchema).describe("Those with the newest change first."),
  counts: z
    .object({
      firing: countSchema,
      pending: countSchema,
      acknowledged: countSchema.describe("Those of the firing ones that somebody has acknowledged."),
      unacknowledged: countSchema.describe("The other firing ones."),
    })
    .exactOptional()
    .describe("Of all open incidents that match the filter. Left out for incidents that ended."),
  source: z
    .enum(["memory", "store"])
    .describe("`memory`: the incidents that the feed keeps. Of those that ended, these are only the newest."),
  next,
});
export type IncidentsPage = Plain<z.output<typeof incidentsAnswer>>;

export const incidentAnswer = z.object({
  incident: z.string(),
  summary: incidentSummarySchema,
  changes: z.array(alertChangeSchema).describe("Oldest first."),
});

export const explanationAnswer = z.object({ incident: z.string(), explanation: incidentExplanationSchema });

export const deliveriesAnswer = z.object({
  incident: z.string(),
  deliveries: z.array(deliverySchema).describe("Oldest first."),
});

export const silencesAnswer = z.object({ silences: z.array(silenceSchema).describe("Earliest first."), next });
export type SilencesPage = z.output<typeof silencesAnswer>;
