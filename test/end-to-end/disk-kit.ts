import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, statfsSync, writeSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { expect } from "vitest";
import { tempFolder, WEIR } from "./kit.ts";

/** Undone in reverse at the end of a test. */
export type Undo = (() => unknown)[];

export type Disk = { readonly path: string } | { readonly reason: string };

/** A separate disk in memory; the reason where none can be mounted. */
export async function smallDisk(mib: number, undo: Undo): Promise<Disk> {
  const path = await mkdtemp(join(tmpdir(), "weir-disk-"));
  undo.push(() => rm(path, { recursive: true, force: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m`, "tmpfs", path], { stdio: "pipe" });
  } catch (error) {
    return { reason: `a disk cannot be mounted here (root on Linux can): ${error}` };
  }
  undo.push(() => execFileSync("umount", ["--lazy", path]));
  return { path };
}

/** Writes a file until only this much is free. */
export function fill(file: string, freeBytes = 0): void {
  const descriptor = openSync(file, "w");
  for (let chunk = Buffer.alloc(1_048_576); chunk.length >= 64; ) {
    const { bavail, bsize } = statfsSync(file);
    if (freeBytes > 0 && bavail * bsize <= freeBytes) break;
    try {
      if (writeSync(descriptor, chunk) < chunk.length) chunk = chunk.subarray(0, chunk.length / 2);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      chunk = chunk.subarray(0, chunk.length / 2);
    }
  }
  closeSync(descriptor);
}

interface StartOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly undo: Undo;
}

/** A gateway with its data on the disk, and everything else, such as its output, elsewhere. */
export async function startOn(disk: string, { files = {}, undo }: StartOptions) {
  const { path, remove } = await tempFolder(files);
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
  const { mqttPort, httpPort } = JSON.parse(await readFile(join(dataDir, "run.json"), "utf8"));
  const { pid: natsPid } = JSON.parse(await readFile(join(dataDir, "nats.json"), "utf8"));
  undo.push(() => endNats(natsPid));
  return { child, said, mqttPort, httpPort, natsPid, dataDir, cwd: path };
}

/** How many messages of each stream the store does not have yet. */
export async function storageLags(httpPort: number): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  return [...text.matchAll(/^weir_storage_lag_messages\{.*\} (\S+)$/gm)].map(([, lag]) => Number(lag));
}

export async function isNats(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).includes("nats.conf");
}

async function endNats(pid: number): Promise<void> {
  if (await isNats(pid)) process.kill(pid, "SIGKILL");
}

/** The numbers that were acknowledged, by device. */
export interface Publishing {
  readonly acknowledged: ReadonlyMap<string, readonly number[]>;
  /** How many. */
  count(): number;
  /** How often a client lost its connection. */
  lost(): number;
  stop(): Promise<void>;
}

/** Publishes numbered messages of 2 KB from three devices, whatever becomes of them. */
export async function publish(mqttPort: number, undo: Undo, extra = "x".repeat(2_000)): Promise<Publishing> {
  const acknowledged = new Map<string, number[]>();
  let lost = 0;
  let next = 0;
  const options = { reconnectPeriod: 500 };
  const clients = await Promise.all([1, 2, 3].map(() => mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, options)));
  for (const client of clients) {
    client.on("error", () => {});
    client.on("close", () => lost++);
  }
  undo.push(() => Promise.all(clients.map((client) => client.endAsync(true))));
  const startedMs = Date.now();
  const publishing = setInterval(() => {
    for (const [i, client] of clients.entries()) {
      const number = next++;
      const payload = JSON.stringify({ ts: startedMs + number, number, note: extra });
      client.publish(`sensors/s/d${i}/telemetry`, payload, { qos: 1 }, (error) => {
        if (error) return;
        const numbers = acknowledged.get(`d${i}`) ?? [];
        numbers.push(number);
        acknowledged.set(`d${i}`, numbers);
      });
    }
  }, 5);
  undo.push(() => clearInterval(publishing));
  const count = () => [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0);
  await expect.poll(count, { timeout: 20_000 }).toBeGreaterThan(100);
  return {
    acknowledged,
    count,
    lost: () => lost,
    async stop() {
      clearInterval(publishing);
      await Promise.all(clients.map((client) => client.endAsync(true)));
    },
  };
}

/** Whether nothing was acknowledged since the last call. */
export function standstill(count: () => number): () => boolean {
  let before = -1;
  return () => {
    const stands = count() === before;
    before = count();
    return stands;
  };
}

/** Resolves to its exit code and how long that took. */
export async function stop(
  child: ChildProcess,
  killAfterMs: number,
): Promise<{ readonly code: number | null; readonly tookMs: number }> {
  const fromMs = performance.now();
  const timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = await ended;
  clearTimeout(timer);
  return { code, tookMs: performance.now() - fromMs };
}
