import type { Logger } from "pino";
import { sleep } from "../async/sleep.ts";
import type { Durability } from "../log/port.ts";
import { type DataDir, type ServerRecord, urlOf } from "./data-dir.ts";
import { FullDiskWatch } from "./full-disk.ts";
import type { ServerProcess } from "./server-process.ts";

const RESTART_WAIT_MS = 100;
const RESTART_WAIT_MS_MAX = 5_000;
/** A server that ran this long is restarted at once. */
const STEADY_MS = 30_000;

export interface LaunchedNatsServer {
  readonly url: string;
  readonly token: string;
  readonly version: string;
  readonly binary: string;
  readonly durability: Durability;
  /** Changes when the server had to be restarted. */
  readonly pid: number;
  /** Whether it was found running. */
  readonly adopted: boolean;
  /** Calls each time the server ends unexpectedly, before it is restarted. Returns a function that stops it. */
  onExit(listener: (reason: string) => void): () => void;
  /** Ends the server, and waits for it. */
  stop(): Promise<void>;
}

export interface SupervisedServer {
  readonly record: ServerRecord;
  readonly process: ServerProcess;
  readonly adopted: boolean;
  readonly dataDir: DataDir;
  readonly logger: Logger;
  /** Starts the same server again. */
  readonly start: (signal: AbortSignal) => Promise<ServerProcess>;
}

/** Keeps a server running until `stop`: restarts it when it ends, and when its full disk has room again. */
export class Supervisor implements LaunchedNatsServer {
  readonly #server: SupervisedServer;
  readonly #listeners = new Set<(reason: string) => void>();
  readonly #abort = new AbortController();
  readonly #disk: FullDiskWatch;
  #process: ServerProcess;
  #stopping: Promise<void> | undefined;
  #restarting: Promise<void> = Promise.resolve();
  /** The next end of the server is our own doing. */
  #isPlanned = false;

  constructor(server: SupervisedServer) {
    const { dataDir, logger, process } = server;
    this.#server = server;
    this.#process = process;
    const { freeBytes, logPath } = dataDir;
    this.#disk = new FullDiskWatch({ freeBytes, logPath, restart: () => this.#restartPlanned(), logger });
  }

  /** Begins to watch it. */
  start(): this {
    void this.#disk.start();
    this.#watch();
    return this;
  }

  get url(): string {
    return urlOf(this.#server.record);
  }

  get token(): string {
    return this.#server.record.token;
  }

  get version(): string {
    return this.#server.record.version;
  }

  get binary(): string {
    return this.#server.record.binary;
  }

  get durability(): Durability {
    return this.#server.record.durability;
  }

  get adopted(): boolean {
    return this.#server.adopted;
  }

  get pid(): number {
    return this.#process.pid;
  }

  onExit(listener: (reason: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    this.#disk.stop();
    await this.#restarting;
    await this.#process.stop();
    await this.#server.dataDir.removeRecord();
    this.#server.logger.info("nats-server stopped");
  }

  #watch(): void {
    const sinceMs = performance.now();
    void this.#process.ended.then((reason) => {
      if (this.#stopping !== undefined) return;
      for (const listener of this.#listeners) listener(reason);
      this.#restarting = this.#restart(reason, performance.now() - sinceMs > STEADY_MS ? 0 : RESTART_WAIT_MS);
    });
  }

  async #restart(reason: string, firstWaitMs: number): Promise<void> {
    const { logger, start } = this.#server;
    if (!this.#isPlanned)
      logger.error(`nats-server (process ${this.pid}) ended unexpectedly: ${reason}; restarting it`);
    this.#isPlanned = false;
    let waitMs = firstWaitMs;
    while (this.#stopping === undefined) {
      await sleep(waitMs);
      if (this.#stopping !== undefined) return;
      try {
        this.#process = await start(this.#abort.signal);
        logger.info(`nats-server runs again (process ${this.pid}) at ${this.url}`);
        this.#watch();
        return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        waitMs = Math.min(Math.max(waitMs, RESTART_WAIT_MS) * 2, RESTART_WAIT_MS_MAX);
        logger.error({ err: error }, `nats-server did not start again; next try in ${waitMs} ms`);
      }
    }
  }

  /** Ends the server; the watch starts it again. */
  async #restartPlanned(): Promise<void> {
    await this.#restarting;
    if (this.#stopping !== undefined) return;
    this.#isPlanned = true;
    await this.#process.stop();
    // Lets the watch begin.
    await sleep(0);
    await this.#restarting;
  }
}
