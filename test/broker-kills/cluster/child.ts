import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Victim } from "./cluster.ts";

export interface ChildOptions {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** SIGTERM ends it by this signal or with code 0. */
  readonly endsBySignal?: boolean;
}

const SAID_MAX = 20_000;
const TERMINATE_MS_MAX = 60_000;
const RESTART_MS = 300;

/** A process that is killed at any moment, even while it starts. */
export class Child implements Victim {
  readonly #options: ChildOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isWanted = false;
  #said = "";
  /** Of the present process. */
  #saidNow = "";
  readonly failures: string[] = [];

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get port(): number {
    return this.#options.port;
  }

  get isAlive(): boolean {
    return this.#isWanted;
  }

  get said(): string {
    return this.#said;
  }

  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#spawn();
  }

  async kill(): Promise<void> {
    this.#isWanted = false;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  async terminate(): Promise<string | undefined> {
    const child = this.#child;
    if (!this.#isWanted || child === undefined) return undefined;
    this.#isWanted = false;
    const timer = setTimeout(() => child.kill("SIGKILL"), TERMINATE_MS_MAX);
    child.kill("SIGTERM");
    await this.#ended;
    clearTimeout(timer);
    const { exitCode, signalCode } = child;
    // Before it listens to signals, it has said nothing.
    const isEndedBySignal = signalCode === "SIGTERM" && (this.#options.endsBySignal || this.#saidNow === "");
    if (exitCode === 0 || isEndedBySignal) return undefined;
    return `${this.name} ended with ${signalCode ?? exitCode} after SIGTERM:\n${this.#saidNow.slice(-2_000)}`;
  }

  #spawn(): void {
    const { command, cwd, env, name } = this.#options;
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#saidNow = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#said = `${this.#said}${chunk}`.slice(-SAID_MAX);
        if (this.#child === child) this.#saidNow = `${this.#saidNow}${chunk}`.slice(-SAID_MAX);
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => this.failures.push(`${name}: ${error.message}`));
      child.once("close", (code, signal) => {
        resolve();
        if (!this.#isWanted || this.#child !== child) return;
        this.failures.push(`${name} ended by itself with ${signal ?? code}:\n${this.#said.slice(-2_000)}`);
        // As a process manager would.
        void sleep(RESTART_MS).then(() => {
          if (this.#isWanted && this.#child === child) this.#spawn();
        });
      });
    });
  }
}
