import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MQTT_STREAMS } from "../../domain/subjects.ts";
import { freePort } from "../../test/servers/free-port.ts";
import { findNatsServer } from "../nats-server/find-binary.ts";
import { connectJetStreamLog } from "./jetstream.ts";
import { prepareStreams } from "./prepare-streams.ts";
import type { Retentions } from "./streams.ts";

const MIB = 1_048_576;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const STREAMS = ["READINGS", "GROUPS", "WINDOWS", "ALERTS", "DEADLETTERS", "NOTIFICATIONS", "BRIDGES"];
const silent = pino({ level: "silent" });
vi.setConfig({ testTimeout: 60_000 });
const undo: (() => unknown)[] = [];
let lines: string[] = [];

beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** The lines of level warn and higher. */
const warnings = pino({ level: "warn" }, { write: (line: string) => lines.push(JSON.parse(line).msg) });

/** A server that reserves at most this much for its streams. */
async function startServer(roomBytes = 2 ** 50) {
  const folder = await mkdtemp(join(tmpdir(), "weir-streams-"));
  const port = await freePort();
  const config = `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(folder)}, max_file_store: ${roomBytes} }\n`;
  await writeFile(join(folder, "nats.conf"), config);
  const { path } = await findNatsServer(silent);
  const child: ChildProcess = spawn(path, ["-c", join(folder, "nats.conf")], { stdio: "ignore" });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  undo.push(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  const servers = `nats://127.0.0.1:${port}`;
  const answers = () => connect({ servers, reconnect: false }).then((nc) => nc.close());
  await expect.poll(() => answers().then(() => "up", String), { timeout: 20_000 }).toBe("up");
  return servers;
}

function retentionsOf(maxAgeMs: number, mib: number): Retentions {
  const each = { maxAgeMs, maxBytes: mib * MIB };
  return { readings: each, windows: each, alerts: each, deadLetters: each, notifications: each, bridges: each };
}

async function prepare(servers: string, retention: Retentions, freeMib?: number): Promise<void> {
  await prepareStreams({
    servers,
    name: "test",
    logger: warnings,
    retention,
    replicas: 1,
    ownDiskFreeBytes: freeMib === undefined ? undefined : async () => freeMib * MIB,
    nowUs: () => Date.now() * 1_000,
  });
}

/** Limits of each stream, as `<days>d <MiB>`. */
async function limits(servers: string): Promise<Record<string, string>> {
  const nc = await connect({ servers });
  const found: [string, string][] = [];
  for await (const { config } of (await jetstreamManager(nc)).streams.list()) {
    found.push([config.name, `${config.max_age / 1e6 / DAY_MS}d ${Math.round(config.max_bytes / MIB)}`]);
  }
  await nc.close();
  return Object.fromEntries(found);
}

async function sizes(servers: string): Promise<number[]> {
  const found = await limits(servers);
  return STREAMS.map((name) => Number(found[name]?.split(" ")[1]));
}

/** Stores readings of this size that do not compress. */
async function fill(servers: string, retention: Retentions, mib: number): Promise<void> {
  const log = await connectJetStreamLog({ servers, name: "test", partitions: 1, retention, logger: silent });
  for (let i = 0; i < mib; i++) {
    const part = () => Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    const payload = Buffer.concat([part(), part(), part(), part()]);
    await Promise.all([1, 2, 3, 4].map(() => log.append({ subject: "readings.0", payload })));
  }
  await log.close();
}

test("on a shared server, a start creates missing streams, changes nothing, and names each differing stream once", async () => {
  const servers = await startServer();
  await prepare(servers, retentionsOf(90 * DAY_MS, 512));
  const before = await limits(servers);
  expect(Object.keys(before).sort()).toEqual([...STREAMS, ...MQTT_STREAMS].sort());
  expect(lines).toEqual([]);
  await prepare(servers, retentionsOf(DAY_MS, 64));
  expect(await limits(servers)).toEqual(before);
  expect(lines).toHaveLength(STREAMS.length);
  expect(lines[0]).toBe(
    "stream READINGS differs from weir.yaml: max_age 90d instead of 1d, max_size 512 MiB instead of 64 MiB; apply it with: weir log apply",
  );
});

test("on its own server, a gateway brings the streams to weir.yaml", async () => {
  const servers = await startServer();
  await prepare(servers, retentionsOf(90 * DAY_MS, 512), 100_000);
  await fill(servers, retentionsOf(90 * DAY_MS, 512), 1);
  await prepare(servers, retentionsOf(DAY_MS, 64), 100_000);
  expect(await limits(servers)).toMatchObject({ READINGS: "1d 64", GROUPS: "1d 16", ALERTS: "1d 64" });
  await prepare(servers, retentionsOf(2 * DAY_MS, 128), 100_000);
  expect(await limits(servers)).toMatchObject({ READINGS: "2d 128", GROUPS: "2d 32", ALERTS: "2d 128" });
  expect(lines).toEqual([]);
});

test("on its own server, a limit that would delete messages stays, with a warning", async () => {
  const servers = await startServer();
  await prepare(servers, retentionsOf(90 * DAY_MS, 512), 100_000);
  await fill(servers, retentionsOf(90 * DAY_MS, 512), 20);
  await prepare(servers, retentionsOf(DAY_MS, 16), 100_000);
  expect(await limits(servers)).toMatchObject({ READINGS: "1d 512", ALERTS: "1d 16" });
  expect(lines).toEqual([
    expect.stringMatching(
      /^stream READINGS stays at max_size 512 MiB instead of 16 MiB: it holds 20(\.\d)? MiB, since 2\S+Z; to delete the oldest: weir log apply$/,
    ),
  ]);
});

test("a small disk is divided before anything is created, in one line; later starts change nothing", async () => {
  const servers = await startServer();
  const wanted = { ...retentionsOf(DAY_MS, 1_024), readings: { maxAgeMs: DAY_MS, maxBytes: 10_240 * MIB } };
  await prepare(servers, wanted, 300);
  const [readings = 0, ...others] = await sizes(servers);
  // BRIDGES, the last one, may have less.
  expect(others.every((size, i) => size >= (i === others.length - 1 ? 3 : 16) && size < readings)).toBe(true);
  expect(readings + others.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(183);
  expect(lines).toEqual([
    expect.stringMatching(
      /^this disk has 300 MiB free: the log keeps 1\d\d(\.\d)? MiB \(readings [\d.]+ MiB, groups .*\) instead of 17\.9 GiB; see log: in weir\.yaml$/,
    ),
  ]);
  await fill(servers, wanted, 10);
  await prepare(servers, wanted, 250);
  expect(await sizes(servers)).toEqual([readings, ...others]);
});

test("a disk without space for the smallest log ends the start, and nothing is created", async () => {
  const servers = await startServer();
  await expect(prepare(servers, retentionsOf(HOUR_MS, 1_024), 20)).rejects.toThrow(
    /^the disk of the data folder has 20 MiB free, and the log needs 185 MiB: .*--data-dir/,
  );
  expect(await limits(servers)).toEqual({});
});

test("on a shared server with little space, all streams shrink together, in one line", async () => {
  const servers = await startServer(300 * MIB);
  await prepare(servers, retentionsOf(DAY_MS, 1_024));
  const all = await sizes(servers);
  const sum = all.reduce((total, size) => total + size, 0);
  expect(sum).toBeLessThanOrEqual(300);
  expect(sum).toBeGreaterThan(180);
  expect(new Set([all[0], all[2], all[3], all[4], all[5]]).size).toBe(1);
  expect(lines).toEqual([
    expect.stringMatching(/^NATS has less room than weir\.yaml asks for: the log keeps .* instead of/),
  ]);
});

test("several gateways that start at once on a server with little space all start", async () => {
  const servers = await startServer(300 * MIB);
  await Promise.all([1, 2, 3, 4].map(() => prepare(servers, retentionsOf(DAY_MS, 1_024))));
  expect((await sizes(servers)).reduce((total, size) => total + size, 0)).toBeLessThanOrEqual(300);
});

test("a shared server without space for the smallest log ends the start and says what it needs", async () => {
  const servers = await startServer(30 * MIB);
  await expect(prepare(servers, retentionsOf(DAY_MS, 1_024))).rejects.toThrow(
    /^NATS has no room for the log: it needs at least 111 MiB of file storage .*max_file_store/,
  );
});
