import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { STORED_STREAMS } from "../../storage/common/store.ts";
import {
  fill,
  isNats,
  type Publishing,
  publish,
  smallDisk,
  standstill,
  startOn,
  stop,
  storageLags,
  type Undo,
} from "./disk-kit.ts";
import { duckdbRows } from "./kit.ts";

/** With the end of its nats-server. */
const STOP_MS_MAX = 20_000;
/** What a busy machine may add. */
const BUSY_MS = 5_000;
const MIB = 1_048_576;
/** Less than the streams' default: a server reserves it from the free disk. */
const CONFIG = `log: {${["readings", "windows", "alerts", "dead_letters", "notifications"]
  .map((name) => ` ${name}: { max_size: 64MiB }`)
  .join(",")} }\n`;
const RULES = `rules: [{ id: hot, where: { metric: number }, window: { tumbling: 1s }, aggregate: max, when: "> 50" }]\n`;
const FILES = { "weir.yaml": CONFIG, "rules/hot.yaml": RULES };
vi.setConfig({ testTimeout: 180_000 });
const undo: Undo = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Files that others may read. */
function openFiles(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);
}

/** Each acknowledged number of each device is stored, and none twice. */
async function expectStoredOnce(dataDir: string, { acknowledged }: Publishing): Promise<void> {
  for (const [device, numbers] of acknowledged) {
    const rows = await duckdbRows(
      join(dataDir, "history.duckdb"),
      `SELECT value AS number FROM readings WHERE device = '${device}' AND metric = 'number'`,
    );
    const stored = rows.map(({ number }) => Number(number));
    expect(new Set(stored).size).toBe(stored.length);
    const all = new Set(stored);
    expect(numbers.filter((number) => !all.has(number))).toEqual([]);
  }
}

test("a gateway whose disk is full stops in time, says so in a line, and leaves no nats-server", async (context) => {
  const disk = await smallDisk(700, undo);
  if ("reason" in disk) return context.skip(disk.reason);
  const { child, said, mqttPort, natsPid } = await startOn(disk.path, { files: FILES, undo });
  const { count } = await publish(mqttPort, undo);
  fill(join(disk.path, "filler"));
  // The log accepts nothing any longer.
  await expect.poll(standstill(count), { timeout: 60_000, interval: 2_000 }).toBe(true);
  const { code, tookMs } = await stop(child, 2 * STOP_MS_MAX);
  expect(await isNats(natsPid)).toBe(false);
  // 0 where the log could still store what was in flight.
  expect([0, 1]).toContain(code);
  const lines = said.err.split("\n").filter((line) => line.startsWith("Stopping takes too long"));
  expect(lines).toEqual(code === 0 ? [] : [expect.stringMatching(/: \w+ has not stopped in 15 s.*disk full.*kept\.$/)]);
  expect(tookMs).toBeLessThan(STOP_MS_MAX + BUSY_MS);
});

test("with less free than the reserve, publishes wait and the gateway says so; with room again all goes on", async (context) => {
  const disk = await smallDisk(300, undo);
  if ("reason" in disk) return context.skip(disk.reason);
  const { child, said, mqttPort, httpPort, dataDir } = await startOn(disk.path, {
    files: { ...FILES, "weir.yaml": "log: { disk_reserve: 60MiB }\n" },
    undo,
  });
  const publishing = await publish(mqttPort, undo);
  const readyz = async () => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    return { status: answer.status, body: await answer.text() };
  };
  const filler = join(disk.path, "filler");
  fill(filler, 50 * MIB);
  await expect.poll(standstill(publishing.count), { timeout: 30_000, interval: 1_000 }).toBe(true);
  await expect.poll(readyz, { timeout: 15_000 }).toEqual({
    status: 503,
    body: expect.stringMatching(/has 4\d(\.\d)? MiB free: publishes wait .*until it has 75 MiB/),
  });
  expect(openFiles(dataDir)).toEqual([]);
  const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  expect(metrics).toMatch(/^weir_disk_short\S* 1$/m);
  expect(metrics).toMatch(/^weir_disk_reserve_bytes\S* 62914560$/m);
  rmSync(filler);
  const before = publishing.count();
  await expect.poll(publishing.count, { timeout: 15_000 }).toBeGreaterThan(before + 100);
  await expect.poll(async () => (await readyz()).status, { timeout: 15_000 }).toBe(200);
  expect(publishing.lost()).toBe(0);
  await publishing.stop();
  expect((await stop(child, STOP_MS_MAX)).code).toBe(0);
  const lines = said.err.split("\n").filter((line) => /has room again|publishes wait/.test(line));
  expect(lines).toHaveLength(2);
  await expectStoredOnce(dataDir, publishing);
});

test("after a full disk has room again, everything goes on within 15 s, and nothing is lost or doubled", async (context) => {
  const disk = await smallDisk(300, undo);
  if ("reason" in disk) return context.skip(disk.reason);
  const { child, said, mqttPort, httpPort, dataDir, natsPid } = await startOn(disk.path, {
    files: { "rules/hot.yaml": RULES },
    undo,
  });
  const publishing = await publish(mqttPort, undo);
  const filler = join(disk.path, "filler");
  for (let round = 1; round <= 2; round++) {
    fill(filler);
    await expect.poll(standstill(publishing.count), { timeout: 60_000, interval: 2_000 }).toBe(true);
    rmSync(filler);
    const before = publishing.count();
    await expect.poll(publishing.count, { timeout: 15_000 + BUSY_MS }).toBeGreaterThan(before + 100);
  }
  // A server that failed to write once would refuse to, for good.
  expect(await isNats(natsPid)).toBe(false);
  await publishing.stop();
  // The store, too, writes again within 15 s.
  await expect.poll(() => storageLags(httpPort), { timeout: 15_000 + BUSY_MS }).toEqual(STORED_STREAMS.map(() => 0));
  expect((await stop(child, 2 * STOP_MS_MAX)).code).toBe(0);
  // Not a flood: a line or two of each thread for each of the two times.
  expect(said.err.split("\n").length).toBeLessThan(120);
  await expectStoredOnce(dataDir, publishing);
});
