import type { Delivery } from "../../contracts/notifications.ts";
import type { Log } from "../../platform/log/port.ts";
import { decodeAlertRecord } from "./stored-records.ts";

/** The deliveries of an incident to one target, from the alert's newest record or else from its older ones. */
export async function deliveriesInLog(log: Log, subject: string, incident: string): Promise<Delivery[]> {
  const newest = await log.lastFor("NOTIFICATIONS", subject);
  if (newest === undefined) return [];
  const found = deliveriesOf(newest.payload, incident);
  if (found.length > 0) return found;
  const byChange = new Map<string, Delivery>();
  const reader = log.read({ stream: "NOTIFICATIONS", subjects: [subject], from: { kind: "first" } });
  try {
    for await (const batch of reader) {
      for (const { sequence, payload } of batch) {
        for (const delivery of deliveriesOf(payload, incident)) byChange.set(delivery.change, delivery);
        if (sequence >= newest.sequence) return [...byChange.values()];
      }
    }
  } finally {
    await reader.close();
  }
  return [...byChange.values()];
}

function deliveriesOf(payload: Uint8Array, incident: string): Delivery[] {
  try {
    return decodeAlertRecord(payload).deliveries.filter((delivery) => delivery.incident === incident);
  } catch {
    // An unreadable record must not hide the others.
    return [];
  }
}
