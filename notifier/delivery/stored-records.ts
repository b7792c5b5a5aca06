import { z } from "zod";
import type { Delivery } from "../../contracts/notifications.ts";
import type { AlertRecord, InFlightRecord } from "../queue/queue-types.ts";

/**
 * The JSON of the notification log. Logs of earlier versions must stay readable, so the names of stored fields never
 * change. The rest of the code uses other names; the functions below translate.
 */

const inFlightSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(["change", "repeat"]),
  group: z.string(),
  labels: z.record(z.string(), z.string()),
  grouped: z.boolean(),
  repeat: z.number(),
  changes: z.array(z.strictObject({ alert: z.string(), sequence: z.number() })),
  startedAtUs: z.number(),
  attempts: z.number(),
});

const stateSchema = z.strictObject({ cursor: z.number(), flights: z.array(inFlightSchema) });

/** The state of one target's queue. */
export interface QueueState {
  /** All alert changes before this sequence are decided. */
  readonly cursor: number;
  readonly inFlight: readonly InFlightRecord[];
}

export function encodeQueueState({ cursor, inFlight }: QueueState): Uint8Array {
  return toBytes({ cursor, flights: inFlight });
}

/** Throws if the value is not a queue's state. */
export function decodeQueueState(bytes: Uint8Array): QueueState {
  const { cursor, flights } = stateSchema.parse(fromBytes(bytes));
  return { cursor, inFlight: flights };
}

const alertRecordSchema = z.strictObject({
  settled: z.number(),
  told: z
    .strictObject({
      incident: z.string(),
      state: z.enum(["pending", "firing", "resolved", "inactive"]),
      delivered: z.boolean(),
      atUs: z.number(),
      repeats: z.number(),
    })
    .optional(),
  deliveries: z.array(z.unknown().transform((value) => value as Delivery)),
});

export function encodeAlertRecord({ decided, notified, deliveries }: AlertRecord): Uint8Array {
  return toBytes({ settled: decided, deliveries, ...(notified === undefined ? {} : { told: notified }) });
}

/** Throws if the value is not an alert's record. */
export function decodeAlertRecord(bytes: Uint8Array): AlertRecord {
  const { settled, told, deliveries } = alertRecordSchema.parse(fromBytes(bytes));
  return { decided: settled, notified: told, deliveries };
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function fromBytes(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
