import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectJetStreamLog } from "../platform/log/jetstream.ts";
import type { Log } from "../platform/log/port.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../platform/nats-server/launch.ts";
import { startNotifier } from "./notifier.ts";
import {
  type ChangeOptions,
  configOf,
  eventually,
  hashOf,
  RETENTION,
  type Sink,
  startSink,
  testDeps,
  writeChange,
} from "./testing/test-kit.ts";

const KILLS = 8;
const DEVICES = 12;
const CHILD = fileURLToPath(new URL("./testing/crash-child.ts", import.meta.url));
const RUN =
  "const { runnerImport } = await import('vite'); await runnerImport(process.env.NOTIFIER_CRASH_FILE, { configFile: false })";
const logger = pino({ level: "silent" });

let folder: string;
let server: LaunchedNatsServer;
let log: Log;
let sink: Sink;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-notifier-"));
});
afterEach(async () => {
  await kill();
  await sink.close();
  await log.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function begin(settings: object): Promise<void> {
  const env = { ...process.env, NOTIFIER_CRASH_FILE: CHILD, NOTIFIER_CRASH_CHILD: JSON.stringify(settings) };
  const running = spawn(process.execPath, ["--input-type=module", "-e", RUN], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = running;
  let stderr = "";
  running.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    running.stdout.once("data", () => resolve());
    running.once("exit", (code) => reject(new Error(`the child ended with ${code}: ${stderr}`)));
  });
}

async function kill(): Promise<void> {
  const running = child;
  child = undefined;
  if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
  await new Promise((resolve) => {
    running.once("exit", resolve);
    running.kill("SIGKILL");
  });
}

/** Ids of the changes in a message. */
function changesOf(json: Record<string, unknown>): string[] {
  const { changes } = json.data as { readonly changes?: readonly { readonly id: string }[] };
  return changes === undefined ? [String(json.id)] : changes.map(({ id }) => id);
}

test("the log's server is killed and restarted while notifications are sent: each change is sent once, or resent with its id", async () => {
  server = await launchNatsServer({ dataDir: folder, logger });
  const { url: servers, token } = server;
  const options = { servers, token, name: "test", partitions: 1, retention: RETENTION, logger };
  log = await connectJetStreamLog(options);
  const own = await connectJetStreamLog(options);
  sink = await startSink();
  const notifier = await startNotifier(configOf({ ops: [{ webhook: { url: sink.url } }] }), testDeps({ log: own }));
  try {
    const written: string[] = [];
    for (let round = 0; round < 3; round++) {
      const before = sink.received.length;
      for (let d = 0; d < 40; d++) {
        written.push((await writeChange(log, { device: `d${d}-${round}`, atUs: Date.now() * 1_000 })).id);
      }
      await eventually("some have arrived", () => sink.received.length > before + 3);
      process.kill(server.pid, "SIGKILL");
    }
    await eventually(
      "every change is sent",
      () => new Set(sink.received.map(({ json }) => json.id)).size === 120,
      60_000,
    );
    expect([...new Set(sink.received.map(({ json }) => json.id))].sort()).toEqual([...written].sort());
    expect(new Set(sink.received.map(({ headers }) => headers["webhook-id"])).size).toBe(120);
    expect(notifier.health().detail).not.toMatch("another notifier");
  } finally {
    await notifier.stop();
    await own.close();
  }
}, 120_000);

test.each([
  { concurrency: 1, grouped: false },
  { concurrency: 4, grouped: false },
  { concurrency: 1, grouped: true },
])(
  "the notifier is killed again and again while it sends: $concurrency at a time, grouped $grouped",
  async (kind) => {
    server = await launchNatsServer({ dataDir: folder, logger });
    const { url: natsUrl, token } = server;
    log = await connectJetStreamLog({
      servers: natsUrl,
      token,
      name: "test",
      partitions: 1,
      retention: RETENTION,
      logger,
    });
    sink = await startSink();
    const written: string[] = [];
    // The receiver delays a third of its answers, so that kills interrupt notifications in flight. It has received
    // them nevertheless.
    sink.answer = (_, response, count) => {
      if (count % 3 === 0) setTimeout(() => response.writeHead(204).end(), 60);
      else response.writeHead(204).end();
    };
    const settings = { natsUrl, token, sinkUrl: sink.url, ...kind };
    await begin(settings);
    for (let round = 0; round <= KILLS; round++) {
      const before = sink.received.length;
      for (let d = 0; d < DEVICES; d++) {
        const change = { device: `d${d}`, site: `s${d % 3}`, round: Math.floor(round / 2) };
        const atUs = Date.now() * 1_000;
        written.push((await writeChange(log, { ...change, atUs, state: round % 2 === 0 ? "firing" : "resolved" })).id);
      }
      if (round === KILLS) break;
      // Some have arrived, some are in flight, some wait: the numbers depend on the round.
      await eventually(
        "some messages have arrived",
        () => sink.received.length > before + (kind.grouped ? round % 2 : round % 5),
      );
      await kill();
      await begin(settings);
    }
    const sent = () => new Set(sink.received.flatMap(({ json }) => changesOf(json)));
    await eventually("every change is sent", () => sent().size === written.length, 30_000);
    expect([...sent()].sort()).toEqual([...written].sort());

    // Each change is in one message only; a duplicate has the same id and content.
    const messages = new Map<string, { bodies: Set<string>; times: number }>();
    const messageOf = new Map<string, string>();
    for (const { headers, body, json } of sink.received) {
      const id = String(headers["webhook-id"]);
      const message = messages.get(id) ?? { bodies: new Set(), times: 0 };
      message.bodies.add(body);
      message.times++;
      messages.set(id, message);
      for (const change of changesOf(json)) {
        expect(messageOf.get(change) ?? id).toBe(id);
        messageOf.set(change, id);
      }
    }
    expect([...messages.values()].filter(({ bodies }) => bodies.size !== 1)).toEqual([]);
    const duplicates = [...messages.values()].reduce((sum, { times }) => sum + times - 1, 0);
    expect(duplicates).toBeLessThanOrEqual(KILLS * kind.concurrency);
    // An alert's changes first arrive in order.
    const order = new Map<string, number>();
    const place = new Map(written.map((id, i) => [id, i]));
    const seen = new Set<string>();
    for (const { json } of sink.received) {
      for (const id of changesOf(json)) {
        if (seen.has(id)) continue;
        seen.add(id);
        const alert = id.slice(0, "hot-0000000000000000".length);
        expect(place.get(id)).toBeGreaterThan(order.get(alert) ?? -1);
        order.set(alert, place.get(id) ?? 0);
      }
    }
    process.stdout.write(
      `${JSON.stringify(kind)}: ${written.length} changes, ${duplicates} duplicates over ${KILLS} kills\n`,
    );
  },
  180_000,
);

test("the notifier is killed while causes inhibit their effects: the effects stay inhibited, and are sent once after the cause ends", async () => {
  server = await launchNatsServer({ dataDir: folder, logger });
  const { url: natsUrl, token } = server;
  log = await connectJetStreamLog({
    ...{ servers: natsUrl, token, name: "test", partitions: 1, retention: RETENTION, logger },
  });
  sink = await startSink();
  const settings = {
    natsUrl,
    token,
    sinkUrl: sink.url,
    concurrency: 2,
    others: { inhibit_wait: "5s", inhibit_after: "1s" },
  };
  const write = async (options: ChangeOptions) => (await writeChange(log, { atUs: Date.now() * 1_000, ...options })).id;
  const inhibitedBy = [{ rule: "gateway-*", equal: ["site"] }];
  const sent = () => sink.received.map(({ json }) => json.id);
  const restart = async () => {
    await kill();
    await begin(settings);
  };
  const expected: string[] = [];
  await begin(settings);
  for (let round = 0; round < 3; round++) {
    const cause: ChangeOptions = { rule: "gateway-down", device: "gw", round };
    const sensor = (n: number): ChangeOptions => ({ device: `d${n}`, round, inhibitedBy });
    // Effects before the cause, and after it.
    for (let n = 0; n < 4; n++) await write(sensor(n));
    const causeAtUs = Date.now() * 1_000;
    const down = await write({ ...cause, atUs: causeAtUs });
    for (let n = 4; n < 8; n++) await write(sensor(n));
    if (round > 0) await restart();
    await eventually("the cause is sent", () => sent().includes(down), 60_000);
    if (round !== 1) await restart();
    for (let n = 0; n < 8; n += 2) await write({ ...sensor(n), state: "resolved" });
    if (round > 1) await restart();
    const up = await write({ ...cause, state: "resolved", activeAtUs: causeAtUs });
    await restart();
    await eventually("its end is sent", () => sent().includes(up), 60_000);
    const firing = [1, 3, 5, 7].map((n) => `hot-${hashOf(`d${n}`)}-${round}-firing`);
    if (round === 2) await restart();
    await eventually("the alerts that still fire are sent", () => firing.every((id) => sent().includes(id)), 60_000);
    const ends: string[] = [];
    for (let n = 1; n < 8; n += 2) ends.push(await write({ ...sensor(n), state: "resolved" }));
    await eventually("the ends are sent", () => ends.every((id) => sent().includes(id)), 60_000);
    expected.push(down, up, ...firing, ...ends);
    expect([...new Set(sent())].sort()).toEqual([...expected].sort());
  }
}, 240_000);
