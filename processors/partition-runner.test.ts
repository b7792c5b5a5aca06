import pino from "pino";
import { expect, test } from "vitest";
import type { AlertEvent } from "../domain/alert.ts";
import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { decodeWindows } from "../domain/windows-codec.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { type Log, LogClosedError, type LogMessage, type LogReader, type ReadQuery } from "../platform/log/port.ts";
import { createMetrics } from "../platform/metrics.ts";
import { createProcessorEvents } from "./events.ts";
import { PartitionRunner } from "./partition-runner.ts";
import { versionOf } from "./rules/load-rules.ts";
import { Step, type StepOutput } from "./step/step.ts";
import { encodeEntry, reading, rule, type TestEntry } from "./step/step-kit.ts";

const SECOND = 1e6;
const DEVICES = ["a", "b", "c"];
const ENTRIES = 150;

const specs = [
  rule({ id: "all", window: { tumbling: "10s" }, aggregate: ["count", "avg", "max"], lateness: "3s" }),
  rule({ id: "high", window: { tumbling: "5s" }, aggregate: "max", when: "> 60", clear: "< 40", for: "5s" }),
];

/** mulberry32, a small seeded generator. Source: Tommy Ettinger, public domain. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function makeEntry(i: number, random: () => number): TestEntry {
  if (random() < 0.05) return { kind: "tick", storedAtUs: 0 };
  const readings = Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
    const device = DEVICES[Math.floor(random() * DEVICES.length)] as string;
    const atUs = Math.floor((i * 2 + random() * 5) * 10) * (SECOND / 10);
    return reading(device, atUs, Math.floor(random() * 100));
  });
  return { kind: "readings", storedAtUs: 0, readings };
}

/** A log that works `operations` times; the one after that may or may not have its effect, and all later ones fail. */
function mortalLog(log: Log, operations: number, random: () => number): Log {
  let left = operations;
  const readers: LogReader[] = [];
  async function mortal<T>(work: () => Promise<T>): Promise<T> {
    if (left-- > 0) return work();
    if (left === -1 && random() < 0.5) await work();
    for (const reader of readers) await reader.close();
    throw new LogClosedError("the process died");
  }
  return {
    ...log,
    payloadBytesMax: log.payloadBytesMax,
    durability: log.durability,
    healthy: () => true,
    bounds: (stream) => mortal(() => log.bounds(stream)),
    close: async () => {},
    append: (message) => mortal(() => log.append(message)),
    lastFor: (stream, subject) => mortal(() => log.lastFor(stream, subject)),
    read(query: ReadQuery) {
      const reader = log.read(query);
      readers.push(reader);
      return reader;
    },
    records: {
      get: (name) => mortal(() => log.records.get(name)),
      set: (name, value, revision) => mortal(() => log.records.set(name, value, revision)),
    },
    blobs: {
      get: (name) => mortal(() => log.blobs.get(name)),
      put: (name, value) => mortal(() => log.blobs.put(name, value)),
      delete: (name) => mortal(() => log.blobs.delete(name)),
    },
    bus: log.bus,
  };
}

async function allMessages(log: Log, stream: "READINGS" | "WINDOWS" | "ALERTS"): Promise<LogMessage[]> {
  const { lastSequence } = await log.bounds(stream);
  const messages: LogMessage[] = [];
  if (lastSequence === 0) return messages;
  for await (const batch of log.read({ stream, from: { kind: "first" } })) {
    messages.push(...batch);
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
  }
  return messages;
}

/** What the outputs must be: the log, folded in one go. */
async function fold(log: Log): Promise<StepOutput> {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table);
  const all: StepOutput = { windows: [], alerts: [] };
  for (const { payload, sequence, storedAtUs } of await allMessages(log, "READINGS")) {
    const { windows, alerts } = step.apply(frames.read(payload), { partition: 0, sequence, storedAtUs });
    all.windows.push(...windows);
    all.alerts.push(...alerts);
  }
  return all;
}

async function published(log: Log): Promise<StepOutput> {
  const windows = (await allMessages(log, "WINDOWS")).flatMap(({ payload }) => decodeWindows(payload).results);
  const alerts = (await allMessages(log, "ALERTS")).map(({ payload }) => {
    const event: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
    return event.data;
  });
  return { windows, alerts };
}

function startLife(log: Log, nowUs: () => number, checkpointMs: number) {
  const events = createProcessorEvents(pino({ level: "silent" }), createMetrics());
  const config = { rulesDir: "", tickMs: 60_000, checkpointMs, resultsPerFrameMax: 5 };
  const rules = () => ({ specs, version: versionOf(specs) });
  const runner = new PartitionRunner({ partition: 0, config, log, clock: { nowUs }, events, rules });
  let onReady = () => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  return { runner, ready, ended: runner.run(onReady) };
}

function byAlertId(alerts: StepOutput["alerts"]) {
  return [...alerts].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
}

test.each(Array.from({ length: 25 }, (_, i) => i + 1))(
  "a processor that dies again and again publishes each result once (seed %i)",
  async (seed) => {
    const random = seeded(seed);
    let nowUs = 1000;
    const log = createMemoryLog({ nowUs: () => nowUs });
    let written = 0;
    let deaths = 0;
    for (let done = false; !done; ) {
      const lifetime = 3 + Math.floor(random() * 60);
      const mortal = deaths < 30 ? mortalLog(log, lifetime, random) : log;
      const life = startLife(mortal, () => nowUs, 1 + Math.floor(random() * 20));
      let died = false;
      const ended = life.ended.catch((error: unknown) => {
        if (!(error instanceof LogClosedError)) throw error;
        died = true;
      });
      await Promise.race([life.ready, ended]);
      while (!died && written < ENTRIES) {
        nowUs += Math.floor(random() * SECOND);
        await log.append({ subject: "readings.0", payload: encodeEntry(makeEntry(written++, random)) });
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 3));
      }
      const wanted = (await fold(log)).windows.length;
      const deadlineMs = performance.now() + 10_000;
      while (!died && (await published(log)).windows.length < wanted && performance.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await life.runner.stop();
      await ended;
      if (died) deaths++;
      else done = written === ENTRIES;
    }
    const expected = await fold(log);
    const actual = await published(log);
    expect(expected.windows.length).toBeGreaterThan(50);
    expect(expected.alerts.length).toBeGreaterThan(5);
    expect(actual.windows).toEqual(expected.windows);
    expect(byAlertId(actual.alerts)).toEqual(byAlertId(expected.alerts));
    expect(deaths).toBeGreaterThan(0);
  },
);

test("a second processor of the same partition fails instead of doubling results", async () => {
  let nowUs = 1000;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const one = startLife(log, () => nowUs, 60_000);
  await one.ready;
  const two = startLife(log, () => nowUs, 60_000);
  await two.ready;
  const outcomes = Promise.allSettled([one.ended, two.ended]);
  for (let i = 0; i < 20; i++) {
    nowUs += SECOND;
    const entry: TestEntry = { kind: "readings", storedAtUs: 0, readings: [reading("a", i * 10 * SECOND, i)] };
    await log.append({ subject: "readings.0", payload: encodeEntry(entry) });
  }
  await Promise.all([one.runner.stop(), two.runner.stop()]);
  const states = (await outcomes).map((outcome) => (outcome.status === "rejected" ? outcome.reason.name : "ended"));
  expect(states).toContain("ConflictError");
  const three = startLife(log, () => nowUs, 60_000);
  await three.ready;
  const expected = (await fold(log)).windows;
  await expect.poll(async () => (await published(log)).windows.length).toBe(expected.length);
  await three.runner.stop();
  await three.ended;
  expect((await published(log)).windows).toEqual(expected);
});
