import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test, vi } from "vitest";
import { tempFolder, WEIR } from "./kit.ts";

/** With the end of its nats-server. */
const STOP_MS_MAX = 20_000;
/** What a busy machine may add. */
const BUSY_MS = 5_000;
/** Less than the streams' default: a server reserves it from the free disk. */
const CONFIG = `log: {${["readings", "windows", "alerts", "dead_letters", "notifications"]
  .map((name) => ` ${name}: { max_size: 64MiB }`)
  .join(",")} }\n`;
const RULES = `rules: [{ id: hot, where: { metric: temperature }, window: { tumbling: 1s }, aggregate: max, when: "> 50" }]\n`;
vi.setConfig({ testTimeout: 180_000 });
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A separate disk in memory; undefined with the reason where none can be mounted. */
async function smallDisk(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const path = await mkdtemp(join(tmpdir(), "weir-disk-"));
  undo.push(() => rm(path, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=700m", "tmpfs", path], { stdio: "pipe" });
  } catch (error) {
    return { reason: `no disk of its own can be mounted here (root on Linux can): ${error}` };
  }
  undo.push(() => execFileSync("umount", ["--lazy", path]));
  return { path };
}

/** Leaves no byte free. */
function fill(file: string): void {
  const descriptor = openSync(file, "w");
  for (let chunk = Buffer.alloc(1_048_576); chunk.length >= 64; ) {
    try {
      if (writeSync(descriptor, chunk) < chunk.length) chunk = chunk.subarray(0, chunk.length / 2);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      chunk = chunk.subarray(0, chunk.length / 2);
    }
  }
  closeSync(descriptor);
}

/** A gateway with its data on the disk, and everything else, such as its output, elsewhere. */
async function startOn(disk: string) {
  const { path, remove } = await tempFolder({ "weir.yaml": CONFIG, "rules/hot.yaml": RULES });
  undo.push(remove);
  const dataDir = join(disk, "data");
  const args = ["up", "--data-dir", dataDir, "--mqtt-port", "0", "--http-port", "0"];
  const child = spawn(process.execPath, [WEIR, ...args], { cwd: path, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    said.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.err += chunk;
  });
  undo.push(() => child.kill("SIGKILL"));
  await expect.poll(() => said.out, { timeout: 60_000 }).toContain("Weir is up.");
  const { mqttPort } = JSON.parse(await readFile(join(dataDir, "run.json"), "utf8"));
  const { pid: natsPid } = JSON.parse(await readFile(join(dataDir, "nats.json"), "utf8"));
  undo.push(() => endNats(natsPid));
  return { child, said, mqttPort, natsPid };
}

async function isNats(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes("nats.conf");
}

async function endNats(pid: number): Promise<void> {
  if (await isNats(pid)) process.kill(pid, "SIGKILL");
}

/** Publishes from three clients until the test ends. */
async function publish(mqttPort: number): Promise<{ readonly acknowledged: () => number }> {
  let acknowledged = 0;
  const options = { reconnectPeriod: 0 };
  const clients = await Promise.all([1, 2, 3].map(() => mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, options)));
  for (const client of clients) client.on("error", () => {});
  undo.push(() => Promise.all(clients.map((client) => client.endAsync(true))));
  const publishing = setInterval(() => {
    for (const [i, client] of clients.entries()) {
      const payload = JSON.stringify({ ts: Date.now(), temperature: 60, note: "x".repeat(2_000) });
      client.publish(`sensors/s/d${i}/telemetry`, payload, { qos: 1 }, (error) => {
        if (!error) acknowledged++;
      });
    }
  }, 5);
  undo.push(() => clearInterval(publishing));
  await expect.poll(() => acknowledged, { timeout: 20_000 }).toBeGreaterThan(100);
  return { acknowledged: () => acknowledged };
}

/** Resolves to its exit code and how long that took. */
async function stop(child: ChildProcess): Promise<{ readonly code: number | null; readonly tookMs: number }> {
  const fromMs = performance.now();
  const timer = setTimeout(() => child.kill("SIGKILL"), 2 * STOP_MS_MAX);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = await ended;
  clearTimeout(timer);
  return { code, tookMs: performance.now() - fromMs };
}

test("a gateway whose disk is full stops in time, says so in a line, and leaves no nats-server", async (context) => {
  const disk = await smallDisk();
  if ("reason" in disk) return context.skip(disk.reason);
  const { child, said, mqttPort, natsPid } = await startOn(disk.path);
  const { acknowledged } = await publish(mqttPort);
  fill(join(disk.path, "filler"));
  // The log accepts nothing any longer.
  let before = -1;
  const isStuck = () => {
    const stuck = acknowledged() === before;
    before = acknowledged();
    return stuck;
  };
  await expect.poll(isStuck, { timeout: 60_000, interval: 2_000 }).toBe(true);
  const { code, tookMs } = await stop(child);
  expect(await isNats(natsPid)).toBe(false);
  // 0 where the log could still store what was in flight.
  expect([0, 1]).toContain(code);
  const lines = said.err.split("\n").filter((line) => line.startsWith("Stopping takes too long"));
  expect(lines).toEqual(code === 0 ? [] : [expect.stringMatching(/: \w+ has not stopped in 15 s.*disk full.*kept\.$/)]);
  expect(tookMs).toBeLessThan(STOP_MS_MAX + BUSY_MS);
});
