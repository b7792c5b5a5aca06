import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { INGEST_LEDGER } from "../contracts/device-ledgers.ts";
import { TooLargeError } from "../platform/log/port.ts";
import {
  countsOf,
  deadLetters,
  ingest,
  log,
  messages,
  metrics,
  NO_COUNTS,
  NOW,
  publish,
  readings,
  start,
  startOnLog,
} from "./testing/ingest-kit.ts";

beforeEach(() => start());
afterEach(async () => {
  vi.restoreAllMocks();
  await ingest.stop();
});

test("names of 256 bytes are stored; longer ones and control characters become dead letters, and the good readings are kept", async () => {
  const name = "n".repeat(256);
  const wide = "é".repeat(128);
  const payload = JSON.stringify({ [name]: 1, [wide]: 2, [`${name}x`]: 3, [`${wide}x`]: 4, "a\u0007": 5, b: 6 });
  await publish(`sensors/${wide}/${name}/telemetry`, payload);
  expect((await readings()).map(({ device, metric, tags }) => [device, metric, tags.site])).toEqual([
    [name, name, wide],
    [name, wide, wide],
    [name, "b", wide],
  ]);
  const [letter, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(letter?.letter).toMatchObject({
    reason: "bad-name",
    detail: `the name of metric "${"n".repeat(60)}"... has 257 bytes, at most 256`,
  });
  await publish("sensors/s/d/telemetry", '{"a\\u0085": 1}');
  expect((await deadLetters())[1]?.letter).toMatchObject({
    reason: "bad-name",
    detail: expect.stringMatching(/has a control character/),
  });
  await publish(`sensors/s/${"d".repeat(60_000)}/telemetry`, '{"t": 1}');
  expect((await deadLetters())[2]?.letter).toMatchObject({
    reason: "bad-name",
    detail: expect.stringMatching(/60000 bytes, at most 256/),
  });
});

test("2,000 names of 250,000 bytes become a dead letter fast", async () => {
  await start({}, { limits: { readings_per_message_max: 5_000 } });
  const startedMs = performance.now();
  const payload = `{"${"p".repeat(250_000)}": {${Array.from({ length: 2_000 }, (_, i) => `"${i}": 1`).join()}}}`;
  expect(await publish("sensors/s/d/telemetry", payload)).toBeUndefined();
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect(await readings()).toEqual([]);
  expect(await deadLetters()).toMatchObject([{ letter: { reason: "bad-name" } }]);
});

test("a message that does not fit the open frame starts the next one", async () => {
  await start({}, { frame: { linger: "100ms" } }, 20_000);
  // 12,000 bytes each: one leaves the frame open; two exceed what the log accepts.
  const sent = Array.from({ length: 9 }, (_, i) => {
    const fields = Array.from({ length: 50 }, (_, k) => [`${i}-${k}-`.padEnd(235, "m"), i]);
    return publish("sensors/s/d/telemetry", JSON.stringify(Object.fromEntries(fields)));
  });
  expect(new Set(await Promise.all(sent))).toEqual(new Set([undefined]));
  const frames = await messages("READINGS");
  for (const { payload } of frames) expect(payload.length).toBeLessThanOrEqual(15_000);
  expect(frames).toHaveLength(9);
  const all = await readings();
  expect(all).toHaveLength(9 * 50);
  expect(new Set(all.map(({ metric }) => metric)).size).toBe(9 * 50);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 9, stored: 9, readings: 9 * 50 });
});

test("a message too large for any frame is a dead letter, and no other message is affected", async () => {
  await start({}, { frame: { linger: "100ms" } }, 20_000);
  const text = "x".repeat(4_000);
  const large = JSON.stringify({ ts: NOW / 1000 + 1e6, a: text, b: text, c: text, d: text });
  const outcomes = await Promise.all([
    publish("sensors/s/d/telemetry", '{"t": 1}'),
    publish("sensors/s/d/telemetry", large),
    publish("sensors/s/d/telemetry", '{"t": 2}'),
  ]);
  expect(outcomes).toEqual([undefined, undefined, undefined]);
  expect((await readings()).map(({ value }) => value)).toEqual([1, 2]);
  const [only, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(only?.letter).toMatchObject({
    reason: "too-large",
    detail: expect.stringMatching(/take more than 15000 bytes/),
  });
  expect(new TextDecoder().decode(only?.letter.payload)).toBe(large);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 3, stored: 2, deadLettered: 1, readings: 2 });
});

test("30 metrics with the longest names, in many messages, share frames that the log accepts", async () => {
  await start({}, {}, 64 * 1_024);
  const sent = Array.from({ length: 20 }, (_, i) => {
    const device = `${i}`.padEnd(256, "d");
    const fields = Array.from({ length: 30 }, (_, k) => [`${k}`.padEnd(256, "m"), k]);
    return publish(`sensors/${"s".repeat(256)}/${device}/telemetry`, JSON.stringify(Object.fromEntries(fields)));
  });
  expect(new Set(await Promise.all(sent))).toEqual(new Set([undefined]));
  expect(await readings()).toHaveLength(600);
});

test("a dead letter too large for the log keeps the beginning of its payload", async () => {
  await start({}, {}, 100_000);
  const topic = `nowhere/${"t".repeat(60_000)}`;
  expect(await publish(topic, new Uint8Array(99_000).fill(7))).toBeUndefined();
  const [only] = await deadLetters();
  expect(only?.letter).toMatchObject({ reason: "unknown-topic", topic, wholeBytes: 99_000 });
  expect(only?.letter.payload.length).toBeGreaterThan(39_000);
  expect(only?.letter.detail).toMatch(/of the payload's 99000 bytes only the first \d+ are kept/);
});

test("a message with a series too many keeps the others, and becomes a dead letter", async () => {
  await start({}, { limits: { series_per_device_max: 2 } });
  expect(await publish("sensors/s/d/telemetry", '{"a": 1, "b": 2}')).toBeUndefined();
  expect(await publish("sensors/s/d/telemetry", '{"a": 3, "c": 4, "b": 5}')).toBeUndefined();
  expect((await readings()).map(({ metric, value }) => [metric, value])).toEqual([
    ["a", 1],
    ["b", 2],
    ["a", 3],
    ["b", 5],
  ]);
  const detail = `device "d" has 2 metrics, as many as ingest.limits.series_per_device_max allows`;
  expect(await deadLetters()).toMatchObject([{ letter: { reason: "too-many-series", detail } }]);
});

test("a device too many becomes a dead letter, and no entry of the ledger", async () => {
  await start({}, { limits: { devices_max: 2 } });
  expect(await publish("sensors/s/first/telemetry", '{"a": 1}')).toBeUndefined();
  expect(await publish("sensors/s/second/telemetry", '{"a": 1}')).toBeUndefined();
  expect(await publish("sensors/s/first/telemetry", '{"a": 2}')).toBeUndefined();
  expect(await readings()).toHaveLength(2);
  expect(await deadLetters()).toMatchObject([
    { letter: { reason: "too-many-devices", topic: "sensors/s/second/telemetry" } },
  ]);
  const ledger = await log.bus.request(INGEST_LEDGER, undefined);
  expect(ledger.map(({ device }) => device)).toEqual(["first"]);
});

test("the number of dead letters in the log survives a restart, by reason", async () => {
  await publish("nowhere", "1");
  await publish("nowhere", "2");
  await publish("sensors/s/d/telemetry", "{oops");
  await ingest.stop();
  await startOnLog();
  const text = () => metrics.registry.metrics();
  await expect.poll(text).toContain('weir_ingest_dead_letters_kept{reason="unknown-topic"} 2');
  expect(await text()).toContain('weir_ingest_dead_letters_kept{reason="bad-payload"} 1');
  expect(await text()).not.toContain("weir_ingest_dead_letters_total{");
});

test("a frame that the server refuses for its size, because max_payload was lowered, is split", async () => {
  const sizes: number[] = [];
  await start({
    async append(message) {
      sizes.push(message.payload.length);
      if (message.payload.length > 8_000) throw new TooLargeError("max_payload was lowered");
      return await log.append(message);
    },
  });
  const [count, each] = [40, 20];
  async function publishMany(): Promise<void> {
    const fields = (n: number) =>
      Object.fromEntries(Array.from({ length: each }, (_, i) => [`m${i}`, i % 3 === 0 ? "x".repeat(40) : n * i]));
    const sent = Array.from({ length: count }, (_, n) =>
      publish("sensors/s/d/telemetry", JSON.stringify({ ts: 1_763_769_500 + n, on: n % 2 === 0, ...fields(n) })),
    );
    expect(await Promise.all(sent)).toEqual(sent.map(() => undefined));
  }
  await publishMany();
  const stored = await readings();
  expect(stored).toHaveLength(count * (each + 1));
  expect(stored.map(({ atUs }) => atUs)).toEqual(
    stored.map((_, i) => (1_763_769_500 + Math.floor(i / (each + 1))) * 1e6),
  );
  expect(stored.filter(({ metric }) => metric === "m1").map(({ value }) => value)).toEqual([...Array(count).keys()]);
  // From now on, frames are small enough.
  sizes.length = 0;
  await publishMany();
  expect(Math.max(...sizes)).toBeLessThan(16_000);
  expect(await readings()).toHaveLength(2 * count * (each + 1));
});

test("a dead letter that the server refuses for its size is truncated, from the original bytes", async () => {
  await start({
    async append(message) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (message.payload.length > 50_000) throw new TooLargeError("max_payload was lowered");
      return await log.append(message);
    },
  });
  const payload = new Uint8Array(90_000).fill(7);
  const acknowledged = publish("nowhere", payload);
  // The broker reuses its buffer for the next message.
  payload.fill(9);
  expect(await acknowledged).toBeUndefined();
  const [only] = await deadLetters();
  expect(only?.letter).toMatchObject({ reason: "unknown-topic", wholeBytes: 90_000 });
  expect(new Set(only?.letter.payload)).toEqual(new Set([7]));
});
