import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface WeirProcessOptions {
  /** Program and first arguments, with absolute paths. */
  readonly command: readonly string[];
  /** `run edge` and its flags. */
  readonly args: readonly string[];
  readonly dataDir: string;
  /** Where it runs; its data folder if left out. */
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly startMsMax: number;
}

interface Ports {
  readonly pid: number;
  readonly mqttPort?: number;
  readonly httpPort?: number;
}

const POLL_MS = 30;

/** One `weir run ...`, which can be killed and restarted on its data. */
export class WeirProcess {
  readonly #options: WeirProcessOptions;
  #child: ChildProcess | undefined;
  #said = "";
  ports: Ports = { pid: 0 };

  constructor(options: WeirProcessOptions) {
    this.#options = options;
  }

  /** Resolves when its services run. */
  async start(): Promise<void> {
    const { command, args, dataDir, cwd = dataDir, env, startMsMax } = this.#options;
    mkdirSync(dataDir, { recursive: true });
    const [program = "node", ...first] = command;
    const child = spawn(program, [...first, ...args, "--data-dir", dataDir], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#said = `${this.#said}${chunk}`.slice(-20_000);
      });
    }
    const untilMs = performance.now() + startMsMax;
    for (;;) {
      const ports = await readPorts(join(dataDir, "run.json"));
      if (ports?.pid === child.pid && ports !== undefined) {
        this.ports = ports;
        return;
      }
      if (child.exitCode !== null) throw new Error(`${args.join(" ")} ended with ${child.exitCode}: ${this.#said}`);
      if (performance.now() > untilMs) throw new Error(`${args.join(" ")} did not start: ${this.#said}`);
      await sleep(POLL_MS);
    }
  }

  kill(): Promise<number | null> {
    return this.#end("SIGKILL");
  }

  /** Resolves to its exit code; null when it had to be killed. */
  async stop(msMax = 30_000): Promise<number | null> {
    const timer = setTimeout(() => this.#child?.kill("SIGKILL"), msMax);
    const code = await this.#end("SIGTERM");
    clearTimeout(timer);
    return code;
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    return new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill(signal);
    });
  }
}

async function readPorts(file: string): Promise<Ports | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    // Not written yet.
    return undefined;
  }
}
