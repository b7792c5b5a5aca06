import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { sleep } from "../async/sleep.ts";
import { LogClosedError } from "./port.ts";

/** A lost server is noticed after two of these without an answer. */
const PING_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT: BackoffLimits = { firstMs: 500, maxMs: 500 };
const RETRY: BackoffLimits = { firstMs: 100, maxMs: 1_000 };
/** What goes on failing is in the log once, then every ten seconds. */
export const WARNINGS = { everyMs: 10_000 };

export interface ConnectionOptions {
  readonly servers: string | readonly string[];
  readonly token?: string;
  readonly name: string;
  readonly logger: Logger;
  /** Ends the waiting for a first connection. */
  readonly signal?: AbortSignal;
}

/** A connection that comes back by itself, and who wants to know. */
export interface Connection {
  readonly nc: NatsConnection;
  readonly logger: Logger;
  isUp(): boolean;
  isClosed(): boolean;
  /** Calls after each reconnect. Returns how to stop. */
  onUp(listener: () => void): () => void;
  /** Waits until the connection is up, then calls. Rejects at once when it is lost meanwhile, instead of timing out. */
  whileUp<T>(call: () => Promise<T>): Promise<T>;
  /** Tries an idempotent call again until it holds or the connection is closed. */
  retrying<T>(what: string, call: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Waits until a server answers. Says once, and then every 10 s, why it does not. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { logger, signal } = options;
  const servers = typeof options.servers === "string" ? options.servers : [...options.servers];
  const warn = rateLimited(
    (error) => logger.warn(`no answer from NATS at ${servers}: ${reasonOf(error)}; trying on`),
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
      return watchConnection(nc, logger);
    } catch (error) {
      warn(error);
      await sleep(reconnect.nextMs(), { signal });
    }
  }
}

function watchConnection(nc: NatsConnection, logger: Logger): Connection {
  const upListeners = new Set<() => void>();
  const downListeners = new Set<() => void>();
  let up = true;
  let closed = false;

  async function follow(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === "disconnect" && up) {
        up = false;
        if (!closed) logger.warn(`lost NATS at ${status.server}; reconnecting`);
        tell(downListeners);
      } else if (status.type === "reconnect") {
        up = true;
        logger.info(`NATS is back at ${status.server}`);
        tell(upListeners);
      } else if (status.type === "error") {
        logger.warn({ err: status.error }, "NATS reported an error");
      }
    }
    up = false;
  }
  void follow();

  async function whileUp<T>(call: () => Promise<T>): Promise<T> {
    while (!up && !closed) {
      await new Promise<void>((resolve) => {
        const stop = listen(upListeners, () => {
          stop();
          resolve();
        });
      });
    }
    if (closed) throw new LogClosedError("the log is closed");
    let stop = () => {};
    const lost = new Promise<never>((_, reject) => {
      stop = listen(downListeners, () => reject(new Error("the connection was lost")));
    });
    try {
      return await Promise.race([call(), lost]);
    } finally {
      stop();
    }
  }

  return {
    nc,
    logger,
    isUp: () => up && !closed,
    isClosed: () => closed,
    onUp: (listener) => listen(upListeners, listener),
    whileUp,
    async retrying(what, call) {
      const warn = rateLimited(
        (error) => logger.warn(`${what} did not work: ${reasonOf(error)}; trying again`),
        WARNINGS,
      );
      const backoff = new Backoff(RETRY, Math.random);
      for (;;) {
        if (closed) throw new LogClosedError(`the log is closed: ${what}`);
        try {
          return await whileUp(call);
        } catch (error) {
          if (closed) throw new LogClosedError(`the log is closed: ${what}`, { cause: error });
          if (!mayPass(error)) throw error;
          warn(error);
          await sleep(backoff.nextMs());
        }
      }
    },
    async close() {
      closed = true;
      // Whoever waits for either finds it closed.
      tell(upListeners);
      tell(downListeners);
      await nc.close();
    },
  };
}

function tell(listeners: Set<() => void>): void {
  for (const listener of [...listeners]) listener();
}

function listen(listeners: Set<() => void>, listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Programming errors and refusals do not go away by waiting; silence, restarts and busy servers do. */
function mayPass(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  if (!(error instanceof Error)) return true;
  if (error.name === "InvalidArgumentError" || error.name === "InvalidNameError") return false;
  const { status } = error as { readonly status?: unknown };
  // JetStream's client errors (400) stay; not found (404) may be a server that is still loading its streams.
  return status !== 400;
}
