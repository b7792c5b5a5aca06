import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface VictimOptions {
  /** The built `weir`. */
  readonly program: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly env: Readonly<Record<string, string>>;
}

const SAID_MAX = 20_000;
const STOP_MS_MAX = 30_000;

/** A `weir run processors` that is killed at any moment, even while it starts. */
export class Victim {
  readonly #options: VictimOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #said = "";
  #wanted = false;
  /** It ended without being killed. */
  #failure: string | undefined;

  constructor(options: VictimOptions) {
    this.#options = options;
  }

  get alive(): boolean {
    return this.#wanted;
  }

  /** The end of its output. */
  get said(): string {
    return this.#said;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Begins to start it; does not wait until it is ready. */
  start(): void {
    if (this.#wanted) return;
    const { program, dataDir, configFile, env } = this.#options;
    mkdirSync(dataDir, { recursive: true });
    this.#wanted = true;
    const child = spawn(
      process.execPath,
      [program, "run", "processors", "--data-dir", dataDir, "--config", configFile],
      {
        cwd: dataDir,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#said = `${this.#said}${chunk}`.slice(-SAID_MAX);
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#wanted) this.#failure = `the process ended unexpectedly (${signal ?? code}):\n${this.#said}`;
        resolve();
      });
    });
  }

  /** Whether its services run and have caught up with the log. */
  async ready(): Promise<boolean> {
    try {
      const { pid } = JSON.parse(await readFile(join(this.#options.dataDir, "run.json"), "utf8"));
      return this.#wanted && pid === this.#child?.pid;
    } catch {
      // Not written yet.
      return false;
    }
  }

  async kill(): Promise<void> {
    this.#wanted = false;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to end; throws when it does not end cleanly. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.#wanted) return;
    this.#wanted = false;
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    child.kill("SIGTERM");
    await this.#ended;
    clearTimeout(timer);
    if (child.exitCode !== 0) throw new Error(`stopped with ${child.exitCode ?? child.signalCode}:\n${this.#said}`);
  }
}
