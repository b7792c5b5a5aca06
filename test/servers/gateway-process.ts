import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The gateway's own description in `<data dir>/run.json`. */
export interface RunInfo {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly pid: number;
}

export interface GatewayOptions {
  /** Program and first arguments, with absolute paths: it runs in `dataDir`, which has no `weir.yaml`. */
  readonly command: readonly string[];
  readonly dataDir: string;
  readonly rulesDir: string;
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly startMsMax: number;
  /** Further arguments of `up`: `--demo`, `--config`. */
  readonly flags?: readonly string[];
  /** Use the same HTTP port at each start, so that pages find it again. The MQTT port is always kept. */
  readonly keepHttpPort?: boolean;
}

const POLL_MS = 50;
const LEFTOVER_MS = 5000;

/** The gateway as a user runs it: a separate process that can be killed and restarted on its data. */
export class GatewayProcess {
  readonly #options: GatewayOptions;
  #child: ChildProcess | undefined;
  #log: WriteStream | undefined;
  #mqttPort = 0;
  #httpPort = 0;
  #info: RunInfo | undefined;
  /** Pids of NATS servers that our gateways started, to make sure that none of them outlives the run. */
  readonly #natsPids = new Set<number>();

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  get info(): RunInfo {
    if (this.#info === undefined) throw new Error("the gateway was not started");
    return this.#info;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get dataDir(): string {
    return this.#options.dataDir;
  }

  get logFile(): string {
    return join(this.#options.dataDir, "verify-gateway.log");
  }

  /** Its log so far. */
  logText(): Promise<string> {
    return readFile(this.logFile, "utf8");
  }

  /** Resolves when it reports that it is ready. Uses the same MQTT port each time, so that devices find it again. */
  async start(): Promise<void> {
    await this.launch();
    await this.ready(this.#options.startMsMax);
  }

  /** Starts it without waiting until all its parts are ready. Resolves when its ports are known. */
  async launch(): Promise<void> {
    const { command, dataDir, rulesDir, env, startMsMax, flags = [], keepHttpPort = false } = this.#options;
    const [program = "node", ...args] = command;
    this.#log ??= createWriteStream(this.logFile, { flags: "a" });
    const child = spawn(
      program,
      [
        ...args,
        "up",
        "--data-dir",
        dataDir,
        "--rules-dir",
        rulesDir,
        "--mqtt-port",
        String(this.#mqttPort),
        "--http-port",
        String(this.#httpPort),
        ...flags,
      ],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env }, cwd: dataDir },
    );
    child.stdout.pipe(this.#log, { end: false });
    child.stderr.pipe(this.#log, { end: false });
    child.once("error", (error) => this.#log?.write(`${error}\n`));
    this.#child = child;
    await this.#listening(performance.now() + startMsMax);
    this.#mqttPort = this.info.mqttPort;
    if (keepHttpPort) this.#httpPort = this.info.httpPort;
  }

  async #listening(untilMs: number): Promise<void> {
    for (;;) {
      if (!this.running) throw new Error(`the gateway ended (${this.#ending()}); see ${this.logFile}`);
      const info = await this.#readInfo();
      // A file from an earlier run names ports that are closed now.
      if (info !== undefined && info.pid === this.#child?.pid) {
        this.#info = info;
        await this.#natsPid();
        return;
      }
      if (performance.now() > untilMs) throw new Error(`the gateway wrote no run.json; see ${this.logFile}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until the running process answers that it is ready. */
  async ready(msMax: number): Promise<void> {
    const untilMs = performance.now() + msMax;
    let last = "";
    while (performance.now() < untilMs) {
      if (!this.running) throw new Error(`the gateway ended (${this.#ending()}); see ${this.logFile}`);
      const { ok, text } = await this.get("/readyz");
      if (ok) return;
      last = text;
      await sleep(POLL_MS);
    }
    throw new Error(`the gateway was not ready after ${msMax} ms: ${last}; see ${this.logFile}`);
  }

  async get(path: string): Promise<{ readonly ok: boolean; readonly text: string }> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.info.httpPort}${path}`, {
        signal: AbortSignal.timeout(5000),
      });
      return { ok: response.ok, text: await response.text() };
    } catch (error) {
      return { ok: false, text: String(error) };
    }
  }

  /** Sums of its metrics by name, across all labels. */
  async metrics(): Promise<ReadonlyMap<string, number> | undefined> {
    const { ok, text } = await this.get("/metrics");
    return ok ? sumsByName(text) : undefined;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** Kills the running NATS server; resolves when a new one runs. False when no server runs. */
  async killNats(msMax: number): Promise<boolean> {
    const pid = await this.#natsPid();
    if (pid === undefined) return false;
    process.kill(pid, "SIGKILL");
    const untilMs = performance.now() + msMax;
    for (let next = await this.#natsPid(); next === undefined || next === pid; next = await this.#natsPid()) {
      if (performance.now() > untilMs) throw new Error(`nats-server was not started again in ${msMax} ms`);
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Asks it to end, and kills it if it does not. Resolves to the way it ended: `code 0` is good. */
  async stop(msMax: number): Promise<string> {
    const child = this.#child;
    if (child !== undefined && this.running) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      const timer = setTimeout(() => child.kill("SIGKILL"), msMax);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(timer);
    }
    this.#log?.end();
    this.#log = undefined;
    return this.#ending();
  }

  /** Ends NATS servers that outlive their gateway by more than a moment. Returns their number. */
  async endLeftovers(): Promise<number> {
    let left = 0;
    const untilMs = performance.now() + LEFTOVER_MS;
    for (const pid of this.#natsPids) {
      while ((await isNats(pid)) && performance.now() < untilMs) await sleep(POLL_MS);
      if (!(await isNats(pid))) continue;
      left += 1;
      process.kill(pid, "SIGKILL");
    }
    return left;
  }

  #ending(): string {
    const { exitCode, signalCode } = this.#child ?? {};
    return signalCode ? `signal ${signalCode}` : `code ${exitCode ?? "unknown"}`;
  }

  #readInfo(): Promise<RunInfo | undefined> {
    return readJson<RunInfo>(join(this.#options.dataDir, "run.json"));
  }

  /** From the server's own record: `run.json` names only the first one. */
  async #natsPid(): Promise<number | undefined> {
    const record = await readJson<{ readonly pid: number }>(join(this.#options.dataDir, "nats.json"));
    if (record !== undefined) this.#natsPids.add(record.pid);
    return record?.pid;
  }
}

async function readJson<Content>(file: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    // Not written yet, or being written.
    return undefined;
  }
}

/** Another program may have the pid by now; without /proc (not Linux) we leave it alone. */
async function isNats(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // A zombie has ended; collecting its exit code is its parent's task.
  return /^\d+ \(nats-server\) [^ZX]/.test(stat);
}

/** Adds up the samples of each name in Prometheus' text format. */
function sumsByName(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (match?.[1] === undefined) continue;
    sums.set(match[1], (sums.get(match[1]) ?? 0) + Number(match[2]));
  }
  return sums;
}
