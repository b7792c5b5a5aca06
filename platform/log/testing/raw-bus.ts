import { z } from "zod";
import { keyedReport, question } from "../../../contracts/question.ts";
import type { Bus } from "../port.ts";

// Messages of services of other versions: values that no schema has checked.

const anything = { ask: z.unknown(), answer: z.unknown() };

export function respondRaw(bus: Bus, subject: string, answer: (asked: unknown) => Promise<unknown>): () => void {
  return bus.respond(question(subject, anything), answer);
}

export function requestRaw(bus: Bus, subject: string, ask: unknown): Promise<unknown> {
  return bus.request(question(subject, anything), ask);
}

/** `publishRaw(bus, "stats", "edge-1", value)` */
export function publishRaw(bus: Bus, subject: string, key: string, value: unknown): void {
  bus.publish(keyedReport(subject, z.unknown()), value, key);
}
