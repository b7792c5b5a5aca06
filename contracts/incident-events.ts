import { z } from "zod";
import { acknowledgementSchema, type Delivery, deliverySchema } from "./notifications.ts";
import type { Plain } from "./question.ts";

/**
 * What people and the notifier did about an incident: who acknowledged it, and who was notified with what outcome. The
 * NOTIFICATIONS stream holds both (ADR 22). Stores keep them as `incident_events`, and the feed keeps those of the
 * incidents that it shows.
 */

const common = {
  /** Equal in every reading of the log. */
  id: z.string().min(1),
  incident: z.string().min(1),
  atUs: z.number(),
};

export const incidentEventSchema = z.discriminatedUnion("kind", [
  z.object({ ...common, kind: z.literal("acknowledgement"), acknowledgement: acknowledgementSchema }),
  z.object({ ...common, kind: z.literal("delivery"), delivery: deliverySchema }),
]);

export type IncidentEvent = Plain<z.infer<typeof incidentEventSchema>>;

const loggedAcknowledgement = acknowledgementSchema.extend({ alert: z.string() });
/** An alert's record at one target; `notifier/delivery/stored-records.ts` writes it. */
const loggedDeliveries = z.object({ deliveries: z.array(deliverySchema) });

/**
 * The events in a message of NOTIFICATIONS; none in a silence. A record repeats an alert's newest deliveries, so the
 * same event comes in several messages: see `newestEvents`. Throws when the message cannot be read.
 */
export function incidentEventsIn(message: {
  readonly subject: string;
  readonly payload: Uint8Array;
}): readonly IncidentEvent[] {
  const [, kind] = message.subject.split(".", 2);
  if (kind !== "acknowledgements" && kind !== "deliveries") return [];
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message.payload));
  if (kind === "deliveries") return loggedDeliveries.parse(value).deliveries.map(deliveryEvent);
  const { alert: _, ...acknowledgement } = loggedAcknowledgement.parse(value);
  const { incident, by, atUs } = acknowledgement;
  const id = `acknowledgement ${incident} ${atUs} ${by}`;
  return [{ kind: "acknowledgement", id, incident, atUs, acknowledgement }];
}

/** A change has one delivery to each target. Its newest state counts. */
function deliveryEvent(delivery: Delivery): IncidentEvent {
  const { incident, receiver, change, atUs } = delivery;
  return { kind: "delivery", id: `delivery ${incident} ${receiver} ${change}`, incident, atUs, delivery };
}

/** Each event once, in its newest state, oldest first. The order of the events given does not matter. */
export function newestEvents(events: Iterable<IncidentEvent>): IncidentEvent[] {
  const byId = new Map<string, IncidentEvent>();
  for (const event of events) {
    const known = byId.get(event.id);
    if (known === undefined || isNewer(event, known)) byId.set(event.id, event);
  }
  return [...byId.values()].sort((a, b) => a.atUs - b.atUs || (a.id < b.id ? -1 : 1));
}

/** Whether an event replaces another one with its id. */
export function isNewer(event: IncidentEvent, known: IncidentEvent): boolean {
  if (event.atUs !== known.atUs) return event.atUs > known.atUs;
  return JSON.stringify(event) > JSON.stringify(known);
}
