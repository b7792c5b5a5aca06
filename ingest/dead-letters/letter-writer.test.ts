import pino from "pino";
import { expect, test } from "vitest";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { createIngestEvents } from "../common/events.ts";
import { LetterWriter } from "./letter-writer.ts";

const PROBLEM = { reason: "unknown-topic", detail: "no source matches this topic" };
const MOST_IN_FLIGHT = 64;

/** A writer whose log stores a letter when the test says so. */
function start() {
  const log = createMemoryLog({ nowUs: () => 1 });
  const clients: string[] = [];
  const stored: (() => void)[] = [];
  let bytes = 0;
  const slow: typeof log = {
    ...log,
    append(message) {
      clients.push(decodeDeadLetter(message.payload).clientId);
      bytes += message.payload.length;
      return new Promise((resolve) => stored.push(() => resolve(log.append(message))));
    },
  };
  const events = createIngestEvents(pino({ level: "silent" }), createMetrics());
  const writer = new LetterWriter(slow, events);
  const kept: string[] = [];
  function keep(clientId: string, payload: Uint8Array = new Uint8Array(1)): void {
    const message = { topic: "nowhere", payload, qos: 1, retain: false, clientId, receivedAtUs: 1 } as const;
    writer.keep(message, PROBLEM, (error) => kept.push(error === undefined ? clientId : error.message));
  }
  async function storeAll(count: number): Promise<void> {
    while (kept.length < count) {
      for (const store of stored.splice(0)) store();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { writer, clients, kept, keep, storeAll, bytes: () => bytes };
}

test("few letters are in flight to the log at a time, and all are kept", async () => {
  const { writer, clients, kept, keep, storeAll } = start();
  for (let i = 0; i < 1_000; i++) keep("flood");
  expect(clients).toHaveLength(MOST_IN_FLIGHT);
  const drained = writer.drain();
  await storeAll(1_000);
  await drained;
  expect(kept).toEqual(Array.from({ length: 1_000 }, () => "flood"));
});

test("large letters are bounded in bytes", async () => {
  const { keep, storeAll, bytes } = start();
  for (let i = 0; i < 40; i++) keep("flood", new Uint8Array(250_000));
  expect(bytes()).toBeLessThan(2_500_000);
  await storeAll(40);
});

test("a client's letter waits for no more than its turn among the clients", async () => {
  const { clients, keep, storeAll } = start();
  for (let i = 0; i < 1_000; i++) keep("flood a");
  for (let i = 0; i < 1_000; i++) keep("flood b");
  keep("honest");
  await storeAll(2_001);
  expect(clients.indexOf("honest")).toBeLessThan(MOST_IN_FLIGHT + 3);
});
