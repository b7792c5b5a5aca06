import pino from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { INGEST_LEDGER } from "../contracts/device-ledgers.ts";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { partitionOf } from "../domain/partition.ts";
import type { StreamName } from "../domain/subjects.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { type Log, type LogMessage, TooLargeError } from "../platform/log/port.ts";
import { createMetrics, type Metrics } from "../platform/metrics.ts";
import { ingestConfigSchema } from "./common/config.ts";
import { type Ingest, startIngest } from "./ingest.ts";
import { TopicRoutes } from "./sources/topic-routes.ts";

const NOW = 1_763_769_600_000_000;
const PARTITIONS = 4;
let log: Log;
let ingest: Ingest;
let metrics: Metrics;

async function start(
  over: Partial<Log> = {},
  config: Record<string, unknown> = {},
  payloadBytesMax?: number,
): Promise<void> {
  log = createMemoryLog({ nowUs: () => NOW, ...(payloadBytesMax === undefined ? {} : { payloadBytesMax }) });
  await startOnLog(over, config);
}

async function startOnLog(over: Partial<Log> = {}, config: Record<string, unknown> = {}): Promise<void> {
  metrics = createMetrics();
  ingest = await startIngest(ingestConfigSchema.parse(config), {
    log: { ...log, ...over },
    partitions: PARTITIONS,
    clock: { nowUs: () => NOW },
    logger: pino({ level: "silent" }),
    metrics,
  });
}

beforeEach(() => start());
afterEach(async () => {
  vi.restoreAllMocks();
  await ingest.stop();
});

function publish(topic: string, payload: string | Uint8Array): Promise<Error | undefined> {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return new Promise((resolve) => {
    const message = { topic, payload: bytes, qos: 1, retain: false, clientId: "c", receivedAtUs: NOW } as const;
    ingest.accept(message, resolve);
  });
}

async function messages(stream: StreamName): Promise<LogMessage[]> {
  const { lastSequence } = await log.bounds(stream);
  const all: LogMessage[] = [];
  if (lastSequence === 0) return all;
  for await (const batch of log.read({ stream, from: { kind: "first" } })) {
    all.push(...batch);
    if (all.at(-1)?.sequence === lastSequence) break;
  }
  return all;
}

async function readings() {
  const reader = new FrameReader(new SeriesTable());
  const all = [];
  for (const { subject, payload } of await messages("READINGS")) {
    const entry = reader.read(payload);
    if (entry.kind !== "readings") continue;
    for (let i = 0; i < entry.count; i++) {
      const { device, metric, tags } = reader.table.series(entry.seriesId[i] as number);
      const clockAhead = entry.clockAhead.includes(i);
      all.push({ subject, device, metric, tags, atUs: entry.atUs[i], value: entry.values[i], clockAhead });
    }
  }
  return all;
}

async function deadLetters() {
  return (await messages("DEADLETTERS")).map(({ subject, payload }) => ({
    subject,
    letter: decodeDeadLetter(payload),
  }));
}

test("a message is acknowledged once its readings are in the log", async () => {
  expect(await publish("sensors/north/cold-1/telemetry", '{"ts": 1763769590, "t": 4.5, "h": 80}')).toBeUndefined();
  const subject = `readings.${partitionOf("cold-1", PARTITIONS)}`;
  const common = { subject, device: "cold-1", tags: { site: "north" }, atUs: NOW - 10e6, clockAhead: false };
  expect(await readings()).toEqual([
    { ...common, metric: "t", value: 4.5 },
    { ...common, metric: "h", value: 80 },
  ]);
});

test("bare values get their metric from the topic, and the receive time", async () => {
  await publish("sensors/north/cold-1/temperature", "21.5");
  expect(await readings()).toMatchObject([{ metric: "temperature", value: 21.5, atUs: NOW }]);
});

test("a reading from a clock that runs ahead gets the receive time, and is flagged", async () => {
  await publish(
    "sensors/s/d/telemetry",
    `[{"ts": ${NOW / 1000 + 60_001}, "t": 1}, {"ts": ${NOW / 1000 + 60_000}, "t": 2}]`,
  );
  expect(await readings()).toMatchObject([
    { atUs: NOW, clockAhead: true },
    { atUs: NOW + 60e6, clockAhead: false },
  ]);
});

test.each([
  ["factory/d/x", "1", "unknown-topic"],
  ["sensors/s//telemetry", "{}", "bad-topic"],
  ["sensors/s/d\u0001/telemetry", "{}", "bad-topic"],
  ["sensors/s/d/telemetry", "{oops", "bad-payload"],
  ["sensors/s/d/telemetry", '{"ts": "soon", "t": 1}', "bad-timestamp"],
])("a message without readings is kept as a dead letter: %j %j", async (topic, payload, reason) => {
  expect(await publish(topic, payload)).toBeUndefined();
  const [only, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(only).toMatchObject({ subject: `deadletters.${reason}`, letter: { reason, topic, clientId: "c" } });
  expect(new TextDecoder().decode(only?.letter.payload)).toBe(payload);
});

test("the good readings of a message with a bad one are stored, and the message is kept too", async () => {
  await publish("sensors/s/d/telemetry", '[{"t": 1}, 7]');
  expect(await readings()).toHaveLength(1);
  expect(await deadLetters()).toHaveLength(1);
});

test("a message is not acknowledged while the log does not answer, and fails if it never will", async () => {
  let answer: ((error?: Error) => void) | undefined;
  await start({
    append: (message) =>
      new Promise((resolve, reject) => {
        answer = (error) => (error ? reject(error) : resolve(log.append(message)));
      }),
  });
  let outcome: string | undefined;
  const done = publish("sensors/s/d/telemetry", '{"t": 1}').then((error) => {
    outcome = error ? error.message : "acknowledged";
  });
  await expect.poll(() => answer).toBeDefined();
  expect(outcome).toBeUndefined();
  answer?.();
  await done;
  expect(outcome).toBe("acknowledged");
  const lost = publish("sensors/s/d/telemetry", '{"t": 2}');
  await expect.poll(async () => (await readings()).length).toBe(1);
  await expect.poll(() => answer).toBeDefined();
  ingest.health();
  setTimeout(() => answer?.(new Error("closed")), 20);
  expect((await lost)?.message).toBe("closed");
});

test("each device's messages are accounted for: in = stored + dead-lettered + dropped", async () => {
  await Promise.all([
    publish("sensors/s/d/telemetry", '{"t": 1}'),
    publish("sensors/s/d/telemetry", "{}"),
    publish("sensors/s/d/telemetry", "nonsense"),
    publish("sensors/s/e/telemetry", '{"t": 1}'),
  ]);
  const ledger = await log.bus.request(INGEST_LEDGER, undefined);
  const tags = { site: "s" };
  expect(ledger).toEqual([
    { device: "d", tags, counts: { messages: 3, stored: 1, deadLettered: 1, dropped: 1, readings: 1, clockAhead: 0 } },
    { device: "e", tags, counts: { messages: 1, stored: 1, deadLettered: 0, dropped: 0, readings: 1, clockAhead: 0 } },
  ]);
});

test("many readings share frames, and none is lost or repeated", async () => {
  const count = 3000;
  const sent = Array.from({ length: count }, (_, i) =>
    publish(`sensors/s/d${i % 37}/telemetry`, `{"ts": ${1.7e9 + i}, "v": ${i}}`),
  );
  await Promise.all(sent);
  const values = (await readings()).map(({ value }) => value).sort((a, b) => Number(a) - Number(b));
  expect(values).toEqual(Array.from({ length: count }, (_, i) => i));
  expect((await messages("READINGS")).length).toBeLessThan(count / 10);
});

test("configured sources: captured tags, fixed tags, chosen metrics", async () => {
  await start(
    {},
    {
      sources: [
        {
          topic: "{plant}/+/{device}/#",
          tags: { owner: "x" },
          metrics: ["temp*"],
          timestamp: { field: "at", unit: "s" },
        },
      ],
    },
  );
  await publish("ulm/line/press-1/any/thing", '{"at": 1763769600, "temp_oil": 60, "speed": 3}');
  expect(await readings()).toMatchObject([
    { device: "press-1", metric: "temp_oil", tags: { plant: "ulm", owner: "x" }, atUs: NOW },
  ]);
});

test.each([
  [{ topic: "a/{site}" }, /\{device\} is missing/],
  [{ topic: "a/{device}", format: "value" }, /\{metric\} is missing/],
  [{ topic: "a/{device}/{device}" }, /captured twice/],
  [{ topic: "#/{device}" }, /# may only be the last/],
  [{ topic: "x{device}" }, /neither a plain level/],
])("a bad source is refused: %j", (source, message) => {
  expect(() => ingestConfigSchema.parse({ sources: [source] })).toThrow(message);
});

test("devices of one name at two sites are accounted for apart", async () => {
  for (const site of ["north", "south", "south"]) await publish(`sensors/${site}/d/telemetry`, '{"t": 1}');
  expect(await log.bus.request(INGEST_LEDGER, undefined)).toMatchObject([
    { device: "d", tags: { site: "north" }, counts: { messages: 1, stored: 1 } },
    { device: "d", tags: { site: "south" }, counts: { messages: 2, stored: 2 } },
  ]);
});

const NO_COUNTS = { messages: 0, stored: 0, deadLettered: 0, dropped: 0, readings: 0, clockAhead: 0 };

async function countsOf(device: string) {
  const entries = (await log.bus.request(INGEST_LEDGER, undefined)) satisfies readonly {
    device: string;
    counts: typeof NO_COUNTS;
  }[];
  return entries.find((entry) => entry.device === device)?.counts;
}

const deepObject = `${'{"a":'.repeat(60_000)}1${"}".repeat(60_000)}`;

test.each([
  ["4,156 arrays in a time field", `{"ts": ${"[".repeat(4_156)}${"]".repeat(4_156)}, "t": 1}`, "bad-timestamp"],
  ["60,000 arrays in a time field", `{"ts": ${"[".repeat(60_000)}${"]".repeat(60_000)}, "t": 1}`, "bad-timestamp"],
  ["60,000 objects", deepObject, "too-large"],
  ["60,000 arrays", `${"[".repeat(60_000)}${"]".repeat(60_000)}`, "bad-payload"],
])("a payload of %s is acknowledged as a dead letter", async (_name, payload, reason) => {
  expect(await publish("sensors/s/d/telemetry", payload)).toBeUndefined();
  expect(await deadLetters()).toMatchObject([{ letter: { reason } }]);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 1, deadLettered: 1 });
});

test("a message whose decoding throws is a dead letter, and leaves nothing in the shared frame", async () => {
  const parse = JSON.parse;
  vi.spyOn(JSON, "parse").mockImplementation((text: string) => {
    const value = parse(text);
    if (text.includes("poison")) {
      Object.defineProperty(value, "poison", { enumerable: true, get: () => raise(new RangeError("too deep")) });
    }
    return value;
  });
  const outcomes = await Promise.all([
    publish("sensors/s/d/telemetry", '{"before": 1}'),
    publish(
      "sensors/s/d/telemetry",
      `{"t": 1, "u": "text", "v": true, "ts": ${NOW / 1000 + 1e6}, "poison": 1, "w": 2}`,
    ),
    publish("sensors/s/d/telemetry", '{"after": 2, "t": 3}'),
  ]);
  vi.restoreAllMocks();
  expect(outcomes).toEqual([undefined, undefined, undefined]);
  expect((await readings()).map(({ metric, value }) => [metric, value])).toEqual([
    ["before", 1],
    ["after", 2],
    ["t", 3],
  ]);
  const [only, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(only).toMatchObject({
    subject: "deadletters.reading-failed",
    letter: { reason: "reading-failed", detail: "reading it failed: RangeError: too deep" },
  });
  expect(new TextDecoder().decode(only?.letter.payload)).toContain("poison");
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 3, stored: 2, deadLettered: 1, readings: 3 });
});

function raise(error: Error): never {
  throw error;
}

test("a topic whose matching throws is a dead letter", async () => {
  vi.spyOn(TopicRoutes.prototype, "find").mockImplementationOnce(() => raise(new Error("odd topic")));
  expect(await publish("sensors/s/d/telemetry", '{"t": 1}')).toBeUndefined();
  expect(await deadLetters()).toMatchObject([
    { letter: { reason: "reading-failed", detail: "reading it failed: Error: odd topic" } },
  ]);
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
