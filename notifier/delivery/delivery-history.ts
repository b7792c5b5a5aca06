import type { Delivery } from "../../contracts/notifications.ts";
import type { Log } from "../../platform/log/port.ts";
import { deliveryRecordSchema } from "../common/lane-types.ts";

/** What became of an incident's changes at one target, from the newest record, or else from the older ones. */
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
  const record = deliveryRecordSchema.safeParse(JSON.parse(new TextDecoder().decode(payload)));
  return record.success ? record.data.deliveries.filter((delivery) => delivery.incident === incident) : [];
}
