import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { mqttProgressSubject } from "../../../domain/subjects.ts";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import { logHarness } from "../testing/log-harness.ts";
import { startNats } from "../testing/nats-kit.ts";
import { describeStoreContract } from "../testing/store-contract.ts";
import { copyFor, listed, message, readAll, WISH } from "../testing/store-kit.ts";
import { subjectTokenOf } from "../tokens.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
let nats: Awaited<ReturnType<typeof startNats>>;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());

describeStoreContract("JetStream", async () => {
  await nats.wipe();
  return logHarness(nats.openLog);
});

describeStoreContract("a log in memory", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  return logHarness(async () => log);
});

test("what is finished is deleted from the log, and nothing else", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const harness = logHarness(async () => log);
  const { store } = await harness.open();
  const { queue } = await store.claim("c", WISH);
  await store.claim("d", WISH);
  for (let i = 0; i < 5; i++) await store.enqueue(message(`m${i}`), [copyFor("c")]);
  await store.enqueue(message("other"), [copyFor("d")]);
  const held = async () => [...(await log.countBySubject("MQTT_QUEUE", "mqtt_queue.>")).values()].sort();
  await expect.poll(async () => (await queue.read(5)).length).toBe(5);
  for (const ordinal of [0, 1, 3]) queue.finish(ordinal);
  await queue.close();
  await expect.poll(held).toEqual([1, 3]);
  const again = await store.claim("c", WISH);
  expect(listed(await readAll(again.queue))).toEqual(["2 m2", "4 m4"]);
  await store.remove("c", again.record.epoch);
  await expect.poll(held).toEqual([1]);
  expect(await log.lastFor("MQTT_PROGRESS", mqttProgressSubject(subjectTokenOf("c")))).toBeUndefined();
  await harness.close();
});

test("messages that a full stream has dropped are counted, and the rest keep their ordinals", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const harness = logHarness(async () => log);
  const first = await harness.open();
  await first.store.claim("c", WISH).then(({ queue }) => queue.close());
  for (let i = 0; i < 10; i++) await first.store.enqueue(message(`m${i}`), [copyFor("c")]);
  await harness.crash(first.store);
  // As a stream does that is full.
  await log.purge("MQTT_QUEUE", "mqtt_queue.>", 5);
  const { store, events } = await harness.open();
  const { queue } = await store.claim("c", WISH);
  expect(listed(await readAll(queue))).toEqual(["4 m4", "5 m5", "6 m6", "7 m7", "8 m8", "9 m9"]);
  expect(events.queuedDropped.get("c")).toBe(4);
  expect(queue.length).toBe(6);
  await log.purge("MQTT_QUEUE", "mqtt_queue.>", 100);
  const again = await store.claim("c", WISH);
  expect(await readAll(again.queue)).toEqual([]);
  await harness.close();
});
