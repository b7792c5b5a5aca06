import { expect, test } from "vitest";
import { DEVICE_LEDGERS } from "../contracts/device-ledgers.ts";
import { encodeEntry, reading, rule, type TestEntry } from "../engine/testing/step-kit.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { type Log, LogClosedError } from "../platform/log/port.ts";
import { allMessages, byAlertId, fold, mortalLog, published, seeded, startLife } from "./testing/runner-kit.ts";

const SECOND = 1e6;
const DEVICES = ["a", "b", "c"];
const ENTRIES = 150;

const specs = [
  rule({ id: "all", window: { tumbling: "10s" }, aggregate: ["count", "avg", "max"], lateness: "3s" }),
  rule({ id: "high", window: { tumbling: "5s" }, aggregate: "max", when: "> 60", clear: "< 40", for: "5s" }),
];

function makeEntry(i: number, random: () => number): TestEntry {
  if (random() < 0.05) return { kind: "tick", storedAtUs: 0 };
  const readings = Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
    const device = DEVICES[Math.floor(random() * DEVICES.length)] as string;
    const atUs = Math.floor((i * 2 + random() * 5) * 10) * (SECOND / 10);
    return reading(device, atUs, Math.floor(random() * 100));
  });
  return { kind: "readings", storedAtUs: 0, readings };
}

/** A log that calls `onSave` before each checkpoint. */
function observedLog(log: Log, onSave: () => void): Log {
  return {
    ...log,
    payloadBytesMax: log.payloadBytesMax,
    durability: log.durability,
    records: {
      get: (name) => log.records.get(name),
      set(name, value, revision) {
        if (name === "checkpoint.0") onSave();
        return log.records.set(name, value, revision);
      },
    },
  };
}

/** For a log with a single partition. */
function startTask(log: Log, nowUs: () => number, checkpointMs: number) {
  return startLife(log, { task: 0, partitions: 1, specs, nowUs, checkpointMs });
}

test.each(Array.from({ length: 25 }, (_, i) => i + 1))(
  "a processor that dies repeatedly publishes each result once (seed %i)",
  async (seed) => {
    const random = seeded(seed);
    let nowUs = 1000;
    const log = createMemoryLog({ nowUs: () => nowUs });
    let written = 0;
    let deaths = 0;
    for (let done = false; !done; ) {
      const lifetime = 3 + Math.floor(random() * 60);
      const mortal = deaths < 30 ? mortalLog(log, lifetime, random) : log;
      const life = startTask(mortal, () => nowUs, 1 + Math.floor(random() * 20));
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
      const wanted = (await fold(log, 0, 1)).windows.length;
      const deadlineMs = performance.now() + 10_000;
      while (!died && (await published(log, 0)).windows.length < wanted && performance.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await life.runner.stop();
      await ended;
      if (died) deaths++;
      else done = written === ENTRIES;
    }
    const expected = await fold(log, 0, 1);
    const actual = await published(log, 0);
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
  const one = startTask(log, () => nowUs, 60_000);
  await one.ready;
  const two = startTask(log, () => nowUs, 60_000);
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
  const three = startTask(log, () => nowUs, 60_000);
  await three.ready;
  const expected = (await fold(log, 0, 1)).windows;
  await expect.poll(async () => (await published(log, 0)).windows.length).toBe(expected.length);
  await three.runner.stop();
  await three.ended;
  expect((await published(log, 0)).windows).toEqual(expected);
});

test("a task that catches up saves its state on the way, and can be given away on the way", async () => {
  const random = seeded(1);
  const log = createMemoryLog({ nowUs: () => 1000 });
  async function savedSequence(): Promise<number> {
    const record = await log.records.get("checkpoint.0");
    return record === undefined ? 0 : JSON.parse(new TextDecoder().decode(record.value)).sequence;
  }
  async function live(): Promise<void> {
    const life = startTask(log, () => 1000, 1);
    await life.ready;
    await life.runner.stop();
    await life.ended;
  }
  /** A task that is given away as soon as it saves its state for the first time. */
  async function liveUntilSaved(): Promise<void> {
    const life = startTask(
      observedLog(log, () => void life.runner.stop()),
      () => 1000,
      1,
    );
    await life.ended;
  }
  await live();
  const rulesAt = await savedSequence();
  for (let i = 0; i < 4_000; i++) {
    await log.append({ subject: "readings.0", payload: encodeEntry(makeEntry(i, random)) });
  }
  const { lastSequence } = await log.bounds("READINGS");
  await liveUntilSaved();
  expect(await savedSequence()).toBeGreaterThan(rulesAt);
  expect(await savedSequence()).toBeLessThan(lastSequence);
  await live();
  expect(await savedSequence()).toBe(lastSequence);
  const expected = await fold(log, 0, 1);
  expect(expected.windows.length).toBeGreaterThan(1_000);
  expect((await published(log, 0)).windows).toEqual(expected.windows);
});

test("a task saves its state as soon as it has caught up, not only in its interval", async () => {
  const random = seeded(2);
  const log = createMemoryLog({ nowUs: () => 1000 });
  for (let i = 0; i < 100; i++) {
    await log.append({ subject: "readings.0", payload: encodeEntry(makeEntry(i, random)) });
  }
  const life = startTask(log, () => 1000, 600_000);
  await life.ready;
  await expect.poll(() => log.records.get("checkpoint.0")).toBeDefined();
  await life.runner.stop();
  await life.ended;
});

test("without rules over several devices nothing is forwarded, and a share writes nothing", async () => {
  let nowUs = 1000;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const options = { partitions: 1, specs, nowUs: () => nowUs, checkpointMs: 5 };
  const lives = [startLife(log, { task: 0, ...options }), startLife(log, { task: 1, ...options })];
  await Promise.all(lives.map(({ ready }) => ready));
  for (let i = 0; i < 20; i++) {
    nowUs += SECOND;
    const entry: TestEntry = { kind: "readings", storedAtUs: 0, readings: [reading("a", i * 10 * SECOND, i)] };
    await log.append({ subject: "readings.0", payload: encodeEntry(entry) });
  }
  await expect.poll(async () => (await published(log, 0)).windows.length).toBeGreaterThan(10);
  await Promise.all(lives.map(({ runner }) => runner.stop()));
  await Promise.all(lives.map(({ ended }) => ended));
  expect((await log.bounds("GROUPS")).lastSequence).toBe(0);
  expect((await allMessages(log, "WINDOWS")).map(({ subject }) => subject)).not.toContain("windows.1");
  expect(await log.records.get("checkpoint.1")).toBeUndefined();
});

test("late and repeated readings are published by device on the bus", async () => {
  let nowUs = 1000;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const reported: unknown[] = [];
  log.bus.subscribe(DEVICE_LEDGERS, (value) => reported.push(value));
  const life = startLife(log, { task: 0, partitions: 1, specs, nowUs: () => nowUs, checkpointMs: 60_000, tickMs: 5 });
  await life.ready;
  for (const atS of [0, 100, 100, 95, 1]) {
    nowUs += 1000;
    const entry: TestEntry = { kind: "readings", storedAtUs: 0, readings: [reading("a", atS * SECOND, 1)] };
    await log.append({ subject: "readings.0", payload: encodeEntry(entry) });
  }
  await expect
    .poll(() => reported.at(-1))
    .toMatchObject({ "a{site=s}": { duplicates: 1, lateApplied: 1, lateDropped: 1 } });
  await life.runner.stop();
  await life.ended;
});
