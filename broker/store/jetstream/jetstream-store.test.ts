import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { mqttProgressSubject, mqttQueueSubject } from "../../../domain/subjects.ts";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import type { Log, ReadFrom } from "../../../platform/log/port.ts";
import { logHarness } from "../testing/log-harness.ts";
import { startNats } from "../testing/nats-kit.ts";
import { silenced } from "../testing/silenced-log.ts";
import { describeStoreContract } from "../testing/store-contract.ts";
import { copyFor, listed, message, readAll, WISH } from "../testing/store-kit.ts";
import { subjectTokenOf } from "../tokens.ts";

const isLive = ({ kind }: ReadFrom) => kind === "sequence";
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

test("frames that come for a session while it is deleted are deleted, too", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const harness = logHarness(async () => log);
  const { store } = await harness.open();
  const held = async () => [...(await log.countBySubject("MQTT_QUEUE", "mqtt_queue.>")).keys()];
  const { record } = await store.claim("c", WISH);
  const subject = mqttQueueSubject(subjectTokenOf("c"), record.epoch);
  await store.claim("d", WISH);
  await store.enqueue(message("kept"), [copyFor("d")]);
  await store.remove("c", record.epoch);
  // An edge that does not know of the deletion yet.
  await log.append({ subject, payload: new Uint8Array(3) });
  await expect.poll(held).toContain(subject);
  await expect.poll(() => store.expire(0).then(held)).toEqual([mqttQueueSubject(subjectTokenOf("d"), 1)]);
  await harness.close();
});

test("frames of a session that this edge has not heard of yet are kept", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const deaf = logHarness(async () => silenced(log, ({ stream, from }) => isLive(from) && stream === "MQTT_SESSIONS"));
  const others = logHarness(async () => log);
  const { store } = await deaf.open();
  const other = await others.open({ edge: "edge-2" });
  await other.store.claim("new", WISH).then(({ queue }) => queue.close());
  await other.store.enqueue(message("kept"), [copyFor("new")]);
  for (let i = 0; i < 5; i++) await store.expire(0);
  expect(store.session("new")).toBeUndefined();
  expect((await log.countBySubject("MQTT_QUEUE", "mqtt_queue.>")).size).toBe(1);
  expect(listed(await readAll((await other.store.claim("new", WISH)).queue))).toEqual(["0 kept"]);
  await deaf.close();
  await others.close();
});

test("what an edge had finished and not deleted when it ended is deleted at its next start", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  const purging: Log = { ...log, purge: () => new Promise(() => {}) };
  const first = logHarness(async () => purging);
  const { store } = await first.open();
  const { queue } = await store.claim("c", WISH);
  for (let i = 0; i < 5; i++) await store.enqueue(message(`m${i}`), [copyFor("c")]);
  await expect.poll(async () => (await queue.read(5)).length).toBe(5);
  for (const ordinal of [0, 1, 2]) queue.finish(ordinal);
  await queue.close();
  const held = async () => (await log.bounds("MQTT_QUEUE")).messages;
  expect(await held()).toBe(5);
  await first.crash(store);
  const second = logHarness(async () => log);
  await second.open();
  await expect.poll(held).toBe(2);
  await second.close();
});
