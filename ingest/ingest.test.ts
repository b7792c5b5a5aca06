import pino from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { partitionOf } from "../domain/partition.ts";
import type { StreamName } from "../domain/subjects.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log, LogMessage } from "../platform/log/port.ts";
import { createMetrics } from "../platform/metrics.ts";
import { ingestConfigSchema } from "./common/config.ts";
import { INGEST_LEDGER, type Ingest, startIngest } from "./ingest.ts";

const NOW = 1_763_769_600_000_000;
const PARTITIONS = 4;
let log: Log;
let ingest: Ingest;

async function start(over: Partial<Log> = {}, config: Record<string, unknown> = {}): Promise<void> {
  log = createMemoryLog({ nowUs: () => NOW });
  ingest = await startIngest(ingestConfigSchema.parse(config), {
    log: { ...log, ...over },
    partitions: PARTITIONS,
    clock: { nowUs: () => NOW },
    logger: pino({ level: "silent" }),
    metrics: createMetrics(),
  });
}

beforeEach(() => start());
afterEach(() => ingest.stop());

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

test("bare values take their metric from the topic, and the receive time", async () => {
  await publish("sensors/north/cold-1/temperature", "21.5");
  expect(await readings()).toMatchObject([{ metric: "temperature", value: 21.5, atUs: NOW }]);
});

test("a clock that runs ahead gets the receive time, flagged", async () => {
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
])("what is no reading is kept as a dead letter: %j %j", async (topic, payload, reason) => {
  expect(await publish(topic, payload)).toBeUndefined();
  const [only, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(only).toMatchObject({ subject: `deadletters.${reason}`, letter: { reason, topic, clientId: "c" } });
  expect(new TextDecoder().decode(only?.letter.payload)).toBe(payload);
});

test("the good readings of a message with a bad one are stored, the message is kept beside them", async () => {
  await publish("sensors/s/d/telemetry", '[{"t": 1}, 7]');
  expect(await readings()).toHaveLength(1);
  expect(await deadLetters()).toHaveLength(1);
});

test("no acknowledgement while the log does not answer, and an error when it never will", async () => {
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
  expect(ledger).toEqual([
    { device: "d", counts: { messages: 3, stored: 1, deadLettered: 1, dropped: 1, readings: 1, clockAhead: 0 } },
    { device: "e", counts: { messages: 1, stored: 1, deadLettered: 0, dropped: 0, readings: 1, clockAhead: 0 } },
  ]);
});

test("many readings share frames, and none is lost or doubled", async () => {
  const count = 3000;
  const sent = Array.from({ length: count }, (_, i) =>
    publish(`sensors/s/d${i % 37}/telemetry`, `{"ts": ${1.7e9 + i}, "v": ${i}}`),
  );
  await Promise.all(sent);
  const values = (await readings()).map(({ value }) => value).sort((a, b) => Number(a) - Number(b));
  expect(values).toEqual(Array.from({ length: count }, (_, i) => i));
  expect((await messages("READINGS")).length).toBeLessThan(count / 10);
});

test("sources of one's own: captured tags, fixed tags, chosen metrics", async () => {
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
