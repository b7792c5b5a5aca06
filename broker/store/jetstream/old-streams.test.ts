import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import type { Log } from "../../../platform/log/port.ts";
import { logHarness } from "../testing/log-harness.ts";
import { listed, NOW_US, RICH, readAll, SUBSCRIPTION, WISH } from "../testing/store-kit.ts";

interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly payload: string;
}

/** With the same sequences: finished frames are missing. */
async function fill(log: Log, messages: readonly StoredMessage[]): Promise<void> {
  for (const { subject, sequence, payload } of messages) {
    const append = () => log.append({ subject, payload: Buffer.from(payload, "base64") });
    for (let { sequence: at } = await append(); at < sequence; at = (await append()).sequence) {
      await log.remove("MQTT_QUEUE", at);
    }
  }
}

// The files hold what a release has written. They never change: later releases read them.
test("streams of 2026-12 are read: sessions, queues, progress and retained messages", async () => {
  const file = new URL("testdata/streams-2026-12.json", import.meta.url);
  const log = createMemoryLog({ nowUs: () => 1 });
  await fill(log, JSON.parse(await readFile(file, "utf8")));
  const failures: string[] = [];
  const harness = logHarness(async () => log, failures);
  const { store } = await harness.open();
  expect([...store.sessions()]).toEqual([
    {
      clientId: "Gerät 1",
      ...{ user: "ada", expirySeconds: 3_600, epoch: 1, edge: "edge-1", awayAtUs: NOW_US },
      subscriptions: [SUBSCRIPTION],
      will: { message: RICH, delaySeconds: 90 },
    },
  ]);
  expect([...store.retained().matching(["#"])]).toEqual([{ ...RICH, topic: "plant/Größe" }]);
  const { queue, incoming, present } = await store.claim("Gerät 1", WISH);
  expect(present).toBe(true);
  expect(queue).toMatchObject({ unreleased: [1], sentUpTo: 3, length: 4 });
  const waiting = await readAll(queue);
  expect(listed(waiting.slice(0, 2))).toEqual(["3 m3", "4 m4"]);
  expect(waiting[0]).toMatchObject({ qos: 2, retain: false, identifiers: [1, 300] });
  expect(waiting[2]).toMatchObject({ ordinal: 5, qos: 1, retain: true, identifiers: [], message: RICH });
  expect(await incoming.begin(7, 1)).toEqual({ receivedAtUs: 123_456, repeat: true, stored: true });
  expect(await incoming.begin(65_535, 1)).toEqual({ receivedAtUs: 99, repeat: true, stored: false });
  expect(incoming.size).toBe(2);
  expect(failures).toEqual([]);
  await harness.close();
});
