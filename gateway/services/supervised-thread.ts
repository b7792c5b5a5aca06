import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Plan } from "../settings/plan.ts";
import type { RunningService } from "./run-service.ts";
import type { ServiceName } from "./services.ts";
import type { Addresses } from "./started.ts";
import type { FailedError, FromThread } from "./thread-messages.ts";

const RESTART: BackoffLimits = { firstMs: 1_000, maxMs: 30_000 };

/** A service that could not start, with its original error. */
export class ServiceStartError extends Error {
  override readonly name = "ServiceStartError";
  readonly original: FailedError;

  constructor(service: ServiceName, original: FailedError) {
    super(`${service}: ${original.message}`);
    this.original = original;
  }
}

/**
 * Runs a service in its own thread and restarts it when it dies, so that its failure does not end the others. Rejects
 * with ServiceStartError when the first start fails.
 */
export async function superviseThread(name: ServiceName, plan: Plan, logger: Logger): Promise<RunningService> {
  let current = await startThread(name, plan);
  // A restarted service must listen on the same ports.
  const next = withPorts(plan, current.addresses);
  const stopping = new AbortController();
  const supervision = (async () => {
    const backoff = new Backoff(RESTART, Math.random);
    for (;;) {
      const reason = await current.ended;
      if (stopping.signal.aborted) return;
      const pauseMs = Math.round(backoff.nextMs());
      logger.error({ service: name, pauseMs }, `service died (${reason}); restarting it`);
      await sleep(pauseMs, { signal: stopping.signal });
      if (stopping.signal.aborted) return;
      try {
        current = await startThread(name, next);
        backoff.reset();
      } catch (error) {
        logger.error({ service: name, err: error }, "service did not restart");
      }
    }
  })();
  return {
    name,
    addresses: current.addresses,
    async stop() {
      stopping.abort();
      current.stop();
      await supervision;
      await current.ended;
    },
  };
}

interface Thread {
  readonly addresses: Addresses;
  /** Resolves with the reason when the thread is gone. */
  readonly ended: Promise<string>;
  stop(): void;
}

function startThread(name: ServiceName, plan: Plan): Promise<Thread> {
  const url = new URL(`./service-thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
  const worker = new Worker(url, { workerData: { name, plan }, name });
  let reason = "ended";
  const ended = new Promise<string>((resolve) => {
    worker.on("error", (error) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on("exit", () => resolve(reason));
  });
  return new Promise((resolve, reject) => {
    worker.on("message", (message: FromThread) => {
      if (message.kind === "failed") reject(new ServiceStartError(name, message.error));
      if (message.kind === "ready") {
        const { addresses } = message;
        resolve({ addresses, ended, stop: () => worker.postMessage({ kind: "stop" }) });
      }
    });
    void ended.then((why) => reject(new ServiceStartError(name, diedWith(why))));
  });
}

function diedWith(why: string): FailedError {
  return { name: "Error", message: why, stack: "", fixableByUser: false };
}

function withPorts(plan: Plan, addresses: Addresses): Plan {
  return addresses.httpPort === undefined ? plan : { ...plan, feed: { ...plan.feed, port: addresses.httpPort } };
}
