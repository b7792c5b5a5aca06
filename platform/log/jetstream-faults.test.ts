import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LaunchedNatsServer, launchNatsServer } from "../nats-server/launch.ts";
import { connectJetStreamLog } from "./jetstream.ts";
import type { Log, LogMessage, ReadQuery } from "./port.ts";

const TIMEOUT = { timeout: 60_000 };
const POLL = { timeout: 30_000, interval: 10 };
const silent = pino({ level: "silent" });
const retention = { maxAgeMs: 3_600_000, maxBytes: 256 * 1_048_576 };
let dataDir: string;
let server: LaunchedNatsServer;
const logs: Log[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-faults-"));
  server = await launchNatsServer({ dataDir, logger: silent });
});
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function open(options: { readonly duplicateWindowMs?: number } = {}): Promise<Log> {
  const log = await connectJetStreamLog({
    servers: server.url,
    token: server.token,
    name: "faults",
    partitions: 4,
    retention: { readings: retention, windows: retention, alerts: retention, deadLetters: retention },
    logger: silent,
    ...options,
  });
  logs.push(log);
  return log;
}

async function crash(): Promise<void> {
  const { pid } = server;
  process.kill(pid, "SIGKILL");
  await expect.poll(() => server.pid, POLL).not.toBe(pid);
}

/** Appends numbered messages, several at a time, until asked to stop. Resolves to the sequence of each. */
function load(log: Log, options: { readonly atOnce: number; readonly ids: boolean }) {
  const sequences: number[] = [];
  let next = 0;
  let stopped = false;
  const workers = Array.from({ length: options.atOnce }, async () => {
    while (!stopped) {
      const i = next++;
      const payload = new TextEncoder().encode(`${i} ${"x".repeat(i % 500)}`);
      const id = options.ids ? { id: `load-${i}` } : {};
      sequences[i] = (await log.append({ subject: `readings.${i % 4}`, payload, ...id })).sequence;
    }
  });
  return {
    sequences,
    async stop() {
      stopped = true;
      await Promise.all(workers);
      return sequences;
    },
  };
}

function collect(log: Log, query: ReadQuery) {
  const messages: LogMessage[] = [];
  const reader = log.read(query);
  const ended = (async () => {
    for await (const batch of reader) messages.push(...batch);
  })();
  return { messages, ended };
}

function numberIn(message: LogMessage): number {
  return Number(new TextDecoder().decode(message.payload).split(" ")[0]);
}

/** The stream as a plain NATS client sees it. */
async function storedNumbers(): Promise<number[]> {
  const nc = await connect({ servers: server.url, token: server.token });
  const consumer = await jetstream(nc).consumers.get("READINGS");
  const numbers: number[] = [];
  for await (const message of await consumer.fetch({ max_messages: 1_000_000, expires: 1_000 })) {
    numbers.push(Number(message.string().split(" ")[0]));
    if (message.info.pending === 0) break;
  }
  await nc.close();
  return numbers;
}

describe("when the server is killed under load", () => {
  test.each([true, false])("no append is lost, doubled or overtaken (with caller's ids: %s)", TIMEOUT, async (ids) => {
    const log = await open();
    const writing = load(log, { atOnce: 100, ids });
    const { messages } = collect(log, { stream: "READINGS", from: { kind: "first" } });
    for (let round = 1; round <= 3; round++) {
      const before = writing.sequences.length;
      await expect.poll(() => writing.sequences.length, POLL).toBeGreaterThan(before + 500);
      await crash();
    }
    const before = writing.sequences.length;
    await expect.poll(() => writing.sequences.length, POLL).toBeGreaterThan(before + 200);
    const sequences = await writing.stop();

    const stored = await storedNumbers();
    expect(stored.length).toBe(sequences.length);
    expect([...stored].sort((a, b) => a - b)).toEqual(sequences.map((_, i) => i));
    // Each append resolved to its sequence in the log.
    expect(stored.map((number) => sequences[number])).toEqual(stored.map((_, i) => i + 1));
    for (const subject of [0, 1, 2, 3]) {
      const ofSubject = stored.filter((number) => number % 4 === subject);
      expect(ofSubject).toEqual([...ofSubject].sort((a, b) => a - b));
    }
    // The reader that was running saw the same messages, once each, in order.
    await expect.poll(() => messages.length, POLL).toBeGreaterThanOrEqual(stored.length);
    expect(messages.map((message) => message.sequence)).toEqual(stored.map((_, i) => i + 1));
    expect(messages.map(numberIn)).toEqual(stored);
  });

  test("an outage longer than the server remembers ids doubles nothing", TIMEOUT, async () => {
    const log = await open({ duplicateWindowMs: 400 });
    const writing = load(log, { atOnce: 100, ids: false });
    for (let round = 1; round <= 4; round++) {
      const before = writing.sequences.length;
      await expect.poll(() => writing.sequences.length, POLL).toBeGreaterThan(before + 300);
      await crash();
      // Running again, but silent until it has forgotten the ids that it knew.
      process.kill(server.pid, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 800));
      process.kill(server.pid, "SIGCONT");
    }
    const sequences = await writing.stop();
    const stored = await storedNumbers();
    expect([...stored].sort((a, b) => a - b)).toEqual(sequences.map((_, i) => i));
    expect(stored.map((number) => sequences[number])).toEqual(stored.map((_, i) => i + 1));
  });

  test("compare-and-set succeeds once, even when its acknowledgement was lost", TIMEOUT, async () => {
    const log = await open();
    let last = 0;
    let record = 0;
    let crashing = crash();
    for (let i = 0; i < 300; i++) {
      const payload = new TextEncoder().encode(`${i}`);
      const subject = "readings.0";
      last = (await log.append({ subject, payload, id: `cas-${i}`, expectLastSubjectSequence: last })).sequence;
      record = await log.records.set("checkpoint-0", payload, record);
      if (i % 100 === 99) {
        await crashing;
        crashing = crash();
      }
    }
    await crashing;
    expect(await storedNumbers()).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect((await log.records.get("checkpoint-0"))?.revision).toBe(record);
  });

  test("blobs, bounds and the newest answer when the server is back", TIMEOUT, async () => {
    const log = await open();
    await log.append({ subject: "windows.0", payload: new Uint8Array(3) });
    const crashing = crash();
    const blob = new Uint8Array(2_000_000).map((_, i) => i % 251);
    const [bounds, newest] = await Promise.all([
      log.bounds("WINDOWS"),
      log.lastFor("WINDOWS", "windows.0"),
      log.blobs.put("state", blob),
    ]);
    await crashing;
    expect(bounds.lastSequence).toBe(1);
    expect(newest?.sequence).toBe(1);
    expect(Buffer.compare((await log.blobs.get("state")) ?? new Uint8Array(), blob)).toBe(0);
  });

  test("a reader of the newest of each subject continues without a gap", TIMEOUT, async () => {
    const log = await open();
    for (let i = 0; i < 40; i++) await log.append({ subject: `alerts.r.${i % 10}`, payload: new Uint8Array(1) });
    const { messages } = collect(log, { stream: "ALERTS", from: { kind: "last-per-subject" } });
    await expect.poll(() => messages.length, POLL).toBe(10);
    await crash();
    for (let i = 0; i < 20; i++) await log.append({ subject: "alerts.r.3", payload: new Uint8Array(1) });
    await expect.poll(() => messages.length, POLL).toBe(30);
    expect(messages.map((message) => message.sequence)).toEqual(Array.from({ length: 30 }, (_, i) => 31 + i));
  });
});

describe("when the server freezes", () => {
  test.each([300, 6_500])("for %d ms, appends wait and then resolve once", TIMEOUT, async (frozenMs) => {
    const log = await open();
    const { messages } = collect(log, { stream: "READINGS", from: { kind: "first" } });
    await log.append({ subject: "readings.0", payload: new TextEncoder().encode("0") });
    process.kill(server.pid, "SIGSTOP");
    let settled = 0;
    const appending = Array.from({ length: 200 }, async (_, i) => {
      const payload = new TextEncoder().encode(`${i + 1}`);
      const { sequence } = await log.append({ subject: `readings.${i % 4}`, payload });
      settled++;
      return sequence;
    });
    // In the second case, long enough that everything is sent a second time.
    await new Promise((resolve) => setTimeout(resolve, frozenMs));
    expect(settled).toBe(0);
    process.kill(server.pid, "SIGCONT");
    expect(await Promise.all(appending)).toEqual(Array.from({ length: 200 }, (_, i) => i + 2));
    expect(await storedNumbers()).toEqual(Array.from({ length: 201 }, (_, i) => i));
    await expect.poll(() => messages.length, POLL).toBeGreaterThanOrEqual(201);
    expect(messages.map(numberIn)).toEqual(Array.from({ length: 201 }, (_, i) => i));
  });
});

test("a reader that is slow for a long time stays within its bound, and misses nothing", TIMEOUT, async () => {
  const log = await open();
  const payload = new Uint8Array(200_000).fill(7);
  for (let i = 0; i < 300; i++) await log.append({ subject: `readings.${i % 4}`, payload });
  const seen: number[] = [];
  for await (const batch of log.read({ stream: "READINGS", from: { kind: "first" } })) {
    expect(batch.length * payload.length).toBeLessThan(64 * 1_048_576);
    seen.push(...batch.map((message) => message.sequence));
    if (seen.length >= 300) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
});
