import { z } from "zod";
import { type AlertChange, SEVERITIES } from "../../domain/alert.ts";
import { alertNameOf } from "../../domain/alert-ids.ts";
import type { LogMessage } from "../../platform/log/port.ts";

/** An alert change with its position in the log. */
export interface LoggedChange {
  /**
   * Identifies the alert: `<rule>.<key hash>`, the part of the subject after `alerts.`. Changes of one alert are in
   * order.
   */
  readonly alert: string;
  readonly sequence: number;
  readonly storedAtUs: number;
  readonly source: string;
  readonly change: AlertChange;
}

const texts = z.record(z.string(), z.string());

/** The fields of an alert event that the notifier reads. The others pass through unchanged. */
const eventSchema = z.looseObject({
  source: z.string(),
  data: z.looseObject({
    id: z.string().min(1),
    incident: z.string().min(1),
    rule: z.string().min(1),
    severity: z.enum(SEVERITIES),
    severityBefore: z.enum(SEVERITIES).optional(),
    state: z.enum(["inactive", "pending", "firing", "resolved"]),
    key: texts,
    labels: texts,
    annotations: texts,
    atUs: z.number(),
    processedAtUs: z.number(),
    activeAtUs: z.number(),
    notify: z.array(z.string()),
    inhibitedBy: z.array(z.looseObject({ rule: z.string(), equal: z.array(z.string()) })).optional(),
  }),
});

/** Reads a message of the alerts stream. Throws TypeError if it is not an alert change. */
export function readChange(message: LogMessage): LoggedChange {
  const parsed = eventSchema.safeParse(JSON.parse(new TextDecoder().decode(message.payload)));
  if (!parsed.success) throw new TypeError(`not an alert change: ${z.prettifyError(parsed.error)}`);
  const { source, data } = parsed.data;
  return {
    alert: alertNameOf(message.subject),
    sequence: message.sequence,
    storedAtUs: message.storedAtUs,
    source,
    // The schema checks the fields that are read here; the rest is passed on unchanged.
    change: data as unknown as AlertChange,
  };
}

/** Whether a change ends its incident. */
export function isEnd(change: AlertChange): boolean {
  return change.state === "resolved" || change.state === "inactive";
}
