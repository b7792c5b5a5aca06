import { z } from "zod";
import { incidentExplanationSchema } from "../explanations.ts";
import { alertChangeSchema } from "../feed/items.ts";
import { deliverySchema, openAlertSchema, silenceSchema } from "../notifications.ts";

// The HTTP API's answers about alerts, incidents and silences. Instants end in `Us`: whole microseconds since 1970.

export const alertsAnswer = z.object({
  alerts: z.array(alertChangeSchema).describe("Newest first."),
  next: z.string().exactOptional().describe("Send this as `after` for the next page; left out on the last page."),
});
export type AlertsPage = z.output<typeof alertsAnswer>;

export const openAlertsAnswer = z.object({ alerts: z.array(openAlertSchema).describe("Longest open first.") });

export const incidentAnswer = z.object({
  incident: z.string(),
  changes: z.array(alertChangeSchema).describe("Oldest first."),
});

export const explanationAnswer = z.object({ incident: z.string(), explanation: incidentExplanationSchema });

export const deliveriesAnswer = z.object({
  incident: z.string(),
  deliveries: z.array(deliverySchema).describe("Oldest first."),
});

export const silencesAnswer = z.object({ silences: z.array(silenceSchema) });
