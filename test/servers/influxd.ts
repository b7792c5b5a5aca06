import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "./free-port.ts";

export interface Influxd {
  readonly url: string;
  readonly token: string;
  readonly org: string;
  readonly bucket: string;
  /** Ends the server at once and keeps its data and port. */
  pause(): Promise<void>;
  /** Restarts it after `pause`. */
  resume(): Promise<void>;
  stop(): Promise<void>;
}

const START_MS_MAX = 60_000;

/** A real InfluxDB on a free loopback port with its own folder, set up with a user, a bucket and a token. */
export async function startInfluxd(): Promise<Influxd> {
  const binary = findInfluxd();
  const folder = await mkdtemp(join(tmpdir(), "weir-influxd-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const access = { token: "test-token-with-all-rights", org: "weir", bucket: "weir" };
  let server: ChildProcess | undefined;

  async function end(): Promise<void> {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }

  async function begin(): Promise<void> {
    const args = ["--bolt-path", join(folder, "influxd.bolt"), "--sqlite-path", join(folder, "influxd.sqlite")];
    args.push("--engine-path", join(folder, "engine"), "--http-bind-address", `127.0.0.1:${port}`);
    args.push("--reporting-disabled", "--log-level", "error");
    const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
    server = child;
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-2000);
    });
    const deadlineMs = performance.now() + START_MS_MAX;
    while (!(await answers(`${url}/health`))) {
      if (child.exitCode !== null) throw new Error(`influxd ended with ${child.exitCode}: ${said}`);
      if (performance.now() > deadlineMs) throw new Error(`influxd does not answer at ${url}: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function stop(): Promise<void> {
    await end();
    await rm(folder, { recursive: true, force: true });
  }

  try {
    await begin();
    const setup = { username: "weir", password: "weir-weir-weir", ...access, retentionPeriodSeconds: 0 };
    const answer = await fetch(`${url}/api/v2/setup`, { method: "POST", body: JSON.stringify(setup) });
    if (!answer.ok) throw new Error(`influxd refused its setup: ${answer.status} ${await answer.text()}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, ...access, pause: end, resume: begin, stop };
}

function findInfluxd(): string {
  const named = process.env.WEIR_INFLUXD;
  const cache = process.env.WEIR_CACHE_DIR ?? join(homedir(), ".cache", "weir");
  const folders = [...(process.env.PATH ?? "").split(delimiter), join(cache, "bin")];
  const candidates = named
    ? [named]
    : folders.filter((folder) => folder !== "").map((folder) => join(folder, "influxd"));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Try the next one.
    }
  }
  const where = named ? `WEIR_INFLUXD=${named}` : "WEIR_INFLUXD, PATH and the cache (~/.cache/weir/bin)";
  throw new Error(`no influxd (searched ${where}): install InfluxDB 2 or name its binary in WEIR_INFLUXD`);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}
