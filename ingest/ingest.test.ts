import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { INGEST_LEDGER } from "../contracts/device-ledgers.ts";
import { partitionOf } from "../domain/partition.ts";
import { ingestConfigSchema } from "./common/config.ts";
import { TopicRoutes } from "./sources/topic-routes.ts";
import {
  countsOf,
  deadLetters,
  ingest,
  log,
  messages,
  NO_COUNTS,
  NOW,
  PARTITIONS,
  publish,
  readings,
  start,
} from "./testing/ingest-kit.ts";

beforeEach(() => start());
afterEach(async () => {
  vi.restoreAllMocks();
  await ingest.stop();
});

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
  ["sensors/s/d/telemetry", '[{"t": 1}, {"t": 2}]', "bad-timestamp"],
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
    { device: "d", tags, counts: { ...NO_COUNTS, messages: 3, stored: 1, deadLettered: 1, dropped: 1, readings: 1 } },
    { device: "e", tags, counts: { ...NO_COUNTS, messages: 1, stored: 1, readings: 1 } },
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
  [{ topic: "x{Device}" }, /neither a plain level/],
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

const deepObject = `${'{"a":'.repeat(60_000)}1${"}".repeat(60_000)}`;

test.each([
  ["60,000 objects", deepObject, "too-large"],
  ["60,000 arrays", `${"[".repeat(60_000)}${"]".repeat(60_000)}`, "bad-payload"],
])("a payload of %s is acknowledged as a dead letter", async (_name, payload, reason) => {
  expect(await publish("sensors/s/d/telemetry", payload)).toBeUndefined();
  expect(await deadLetters()).toMatchObject([{ letter: { reason } }]);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 1, deadLettered: 1 });
});

test.each([4_156, 60_000])("a time of %d arrays costs the time only", async (depth) => {
  await publish("sensors/s/d/telemetry", `{"ts": ${"[".repeat(depth)}${"]".repeat(depth)}, "t": 1}`);
  expect(await readings()).toMatchObject([{ metric: "t", value: 1, atUs: NOW, clockAhead: true }]);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 1, stored: 1, readings: 1, clockBehind: 1 });
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
