import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type LaunchedNatsServer, launchNatsServer } from "../nats-server/launch.ts";
import { connectJetStreamLog } from "./jetstream.ts";
import type { Append, Log } from "./port.ts";
import { isAtLeast } from "./streams.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const POLL = { timeout: 30_000, interval: 10 };
const silent = pino({ level: "silent" });
const retention = { maxAgeMs: 3_600_000, maxBytes: 256 * 1_048_576 };
let dataDir: string;
let server: LaunchedNatsServer;
let log: Log;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-batch-"));
  server = await launchNatsServer({ dataDir, logger: silent });
  log = await open();
});
afterEach(async () => {
  await log.close();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** With a shorter duplicate window than the server's, the log no longer trusts the ids. */
function open(duplicateWindowMs?: number): Promise<Log> {
  const { url: servers, token } = server;
  const retentions = { readings: retention, windows: retention, alerts: retention, deadLetters: retention };
  const given = duplicateWindowMs === undefined ? {} : { duplicateWindowMs };
  return connectJetStreamLog({
    ...{ servers, token, name: "batch", partitions: 4, retention: retentions, logger: silent },
    ...given,
  });
}

async function withManager<T>(work: (jsm: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>): Promise<T> {
  const nc = await connect({ servers: server.url, token: server.token });
  try {
    return await work(await jetstreamManager(nc));
  } finally {
    await nc.close();
  }
}

function numbered(from: number, count: number, newest: ReadonlyMap<string, number>, writer = 0): Append[] {
  return Array.from({ length: count }, (_, i) => {
    const subject = `alerts.w${writer}.k${(from + i) % 40}`;
    const payload = new TextEncoder().encode(`${writer} ${from + i}`);
    return { subject, payload, expectLastSubjectSequence: newest.get(subject) ?? 0 };
  });
}

async function storedTexts(): Promise<string[]> {
  const { lastSequence } = await log.bounds("ALERTS");
  const texts: string[] = [];
  for await (const batch of log.read({ stream: "ALERTS", from: { kind: "first" } })) {
    for (const { payload } of batch) texts.push(new TextDecoder().decode(payload));
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
  }
  return texts;
}

test("results are stored in batches where the server syncs a batch once", async () => {
  await log.appendAll(numbered(0, 100, new Map()));
  const first = await withManager((jsm) => jsm.streams.getMessage("ALERTS", { seq: 1 }));
  expect(first?.header.has("Nats-Batch-Id")).toBe(isAtLeast(server.version, 2, 15));
});

test("a server that no longer accepts batches gets the messages one by one", async () => {
  await withManager((jsm) => jsm.streams.update("ALERTS", { allow_atomic: false }));
  const appended = await log.appendAll(numbered(0, 100, new Map()));
  expect(appended.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(
    numbered(1, 100, new Map()).map((_, i) => i + 1),
  );
  expect(await storedTexts()).toHaveLength(100);
});

test("when the server is killed under load, nothing is lost, doubled or overtaken", async () => {
  let stopped = false;
  const written: number[] = [0, 0, 0];
  const sequences = new Map<string, number>();
  const writing = written.map(async (_, writer) => {
    const newest = new Map<string, number>();
    while (!stopped) {
      const from = written[writer] ?? 0;
      const given = numbered(from, 150, newest, writer);
      const appended = await log.appendAll(given);
      for (const [i, { subject, payload }] of given.entries()) {
        const sequence = appended[i]?.sequence ?? 0;
        newest.set(subject, sequence);
        sequences.set(new TextDecoder().decode(payload), sequence);
      }
      written[writer] = from + given.length;
    }
  });
  const total = () => written.reduce((sum, each) => sum + each, 0);
  for (let round = 1; round <= 4; round++) {
    const before = total();
    await expect.poll(total, POLL).toBeGreaterThan(before + 600);
    const { pid } = server;
    process.kill(pid, "SIGKILL");
    await expect.poll(() => server.pid, POLL).not.toBe(pid);
  }
  const before = total();
  await expect.poll(total, POLL).toBeGreaterThan(before + 300);
  stopped = true;
  await Promise.all(writing);
  const texts = await storedTexts();
  expect(texts).toHaveLength(total());
  expect(new Set(texts).size).toBe(total());
  expect(texts.map((each) => sequences.get(each))).toEqual(texts.map((_, i) => i + 1));
});

test.each([
  [300, "expected"],
  [6_500, "expected"],
  [6_500, "free"],
  [6_500, "forgotten"],
] as const)("a server that freezes for %d ms stores a batch once (%s)", async (frozenMs, kind) => {
  if (kind === "forgotten") {
    await log.close();
    log = await open(1_000);
  }
  process.kill(server.pid, "SIGSTOP");
  let settled = false;
  const given = numbered(0, 200, new Map());
  const free = given.map(({ subject, payload }) => ({ subject, payload }));
  const appending = log.appendAll(kind === "expected" ? given : free).finally(() => {
    settled = true;
  });
  // In the second case, long enough that the batch is sent a second time.
  await new Promise((resolve) => setTimeout(resolve, frozenMs));
  expect(settled).toBe(false);
  process.kill(server.pid, "SIGCONT");
  await appending;
  expect((await storedTexts()).sort()).toEqual(
    numbered(0, 200, new Map())
      .map(({ payload }) => new TextDecoder().decode(payload))
      .sort(),
  );
});
