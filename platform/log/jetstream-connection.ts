import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { UserError } from "../../domain/user-error.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { sleep } from "../async/sleep.ts";
import { LogClosedError } from "./port.ts";

/** A lost server is noticed after two of these without an answer. */
const PING_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT: BackoffLimits = { firstMs: 500, maxMs: 500 };
const RETRY: BackoffLimits = { firstMs: 100, maxMs: 1_000 };
/** A failure that persists is logged once, then every ten seconds. */
export const WARNINGS = { everyMs: 10_000 };

export interface ConnectionOptions {
  readonly servers: string | readonly string[];
  readonly token?: string;
  readonly name: string;
  readonly logger: Logger;
  /** Ends the wait for a first connection. */
  readonly signal?: AbortSignal;
}

/** A connection that reconnects automatically and never gives up. */
export interface Connection {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  isUp(): boolean;
  isClosed(): boolean;
  /** Calls after each reconnect. Returns a function that stops it. */
  onUp(listener: () => void): () => void;
  /** Waits until the connection is up, then calls. Rejects at once when the connection is lost during the call. */
  whileUp<T>(call: () => Promise<T>): Promise<T>;
  /** Retries an idempotent call until it succeeds or the connection is closed. */
  retrying<T>(what: string, call: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Waits until a server answers. Logs the reason why it does not, once and then every 10 s. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { logger, signal } = options;
  const servers = typeof options.servers === "string" ? options.servers : [...options.servers];
  const warn = rateLimited(
    (error) => logger.warn(`no answer from NATS at ${servers}: ${reasonOf(error)}; still trying`),
    WARNINGS,
  );
  const reconnect = new Backoff(RECONNECT, Math.random);
  for (;;) {
    if (signal?.aborted) throw new LogClosedError(`gave up waiting for NATS at ${servers}`);
    try {
      const nc = await connect({
        servers,
        ...(options.token === undefined ? {} : { token: options.token }),
        name: options.name,
        noAsyncTraces: true,
        maxReconnectAttempts: -1,
        ignoreAuthErrorAbort: true,
        reconnectDelayHandler: () => reconnect.nextMs(),
        timeout: CONNECT_TIMEOUT_MS,
        pingInterval: PING_EVERY_MS,
        maxPingOut: 2,
      });
      logger.info(`connected to NATS ${nc.info?.version} at ${nc.getServer()}`);
      const connection = new WatchedConnection(nc, logger);
      connection.start();
      return connection;
    } catch (error) {
      warn(error);
      await sleep(reconnect.nextMs(), { signal });
    }
  }
}

type Listeners = Set<() => void>;

class WatchedConnection implements Connection {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  readonly #upListeners: Listeners = new Set();
  readonly #downListeners: Listeners = new Set();
  #up = true;
  #closed = false;

  constructor(nc: NatsConnection, logger: Logger) {
    this.nc = nc;
    this.logger = logger;
  }

  start(): void {
    void this.#watch();
  }

  async #watch(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === "disconnect" && this.#up) {
        this.#up = false;
        if (!this.#closed) this.logger.warn(`lost NATS at ${status.server}; reconnecting`);
        notify(this.#downListeners);
      } else if (status.type === "reconnect") {
        this.#up = true;
        this.logger.info(`NATS is back at ${status.server}`);
        notify(this.#upListeners);
      } else if (status.type === "error") {
        this.logger.warn({ err: status.error }, "NATS reported an error");
      }
    }
    this.#up = false;
  }

  isUp(): boolean {
    return this.#up && !this.#closed;
  }

  isClosed(): boolean {
    return this.#closed;
  }

  onUp(listener: () => void): () => void {
    return listen(this.#upListeners, listener);
  }

  async whileUp<T>(call: () => Promise<T>): Promise<T> {
    while (!this.#up && !this.#closed) await next(this.#upListeners);
    if (this.#closed) throw new LogClosedError("the log is closed");
    let stop = () => {};
    const lost = new Promise<never>((_, reject) => {
      stop = listen(this.#downListeners, () => reject(new Error("the connection was lost")));
    });
    try {
      return await Promise.race([call(), lost]);
    } finally {
      stop();
    }
  }

  async retrying<T>(what: string, call: () => Promise<T>): Promise<T> {
    const warn = rateLimited((error) => this.logger.warn(`${what} failed: ${reasonOf(error)}; trying again`), WARNINGS);
    const backoff = new Backoff(RETRY, Math.random);
    for (;;) {
      if (this.#closed) throw new LogClosedError(`the log is closed: ${what}`);
      try {
        return await this.whileUp(call);
      } catch (error) {
        if (this.#closed) throw new LogClosedError(`the log is closed: ${what}`, { cause: error });
        if (!mayPass(error)) throw error;
        warn(error);
        await sleep(backoff.nextMs());
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Everything that waits for one of them sees that it is closed.
    notify(this.#upListeners);
    notify(this.#downListeners);
    await this.nc.close();
  }
}

function notify(listeners: Listeners): void {
  for (const listener of [...listeners]) listener();
}

function listen(listeners: Listeners, listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function next(listeners: Listeners): Promise<void> {
  return new Promise((resolve) => {
    const stop = listen(listeners, () => {
      stop();
      resolve();
    });
  });
}

/** Waiting helps against silence, restarts and busy servers, not against programming errors and refusals. */
function mayPass(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof UserError) return false;
  if (!(error instanceof Error)) return true;
  if (error.name === "InvalidArgumentError" || error.name === "InvalidNameError") return false;
  const { status } = error as { readonly status?: unknown };
  // JetStream's client errors (400) persist; not found (404) may come from a server that is still loading its
  // streams.
  return status !== 400;
}
