import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Plan } from "../settings/plan.ts";
import type { RunningService } from "./run-service.ts";
import type { ServiceName } from "./services.ts";
import type { Addresses } from "./started.ts";
import type { FailedError, FromThread, ToThread } from "./thread-messages.ts";

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
export async function superviseThread(
  { name, plan, logger }: { readonly name: ServiceName; readonly plan: Plan; readonly logger: Logger },
  thread: ServiceThread,
): Promise<RunningService> {
  let current = await thread.start(plan);
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
        current = await new ServiceThread(name).start(next);
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

interface Running {
  readonly addresses: Addresses;
  /** Resolves with the reason when the thread is gone. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** A thread that loads the code of a service while its plan is still being made. */
export class ServiceThread {
  readonly #name: ServiceName;
  readonly #worker: Worker;
  readonly #ended: Promise<string>;

  constructor(name: ServiceName) {
    this.#name = name;
    const url = new URL(`./service-thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
    const worker = new Worker(url, { workerData: { name }, name });
    this.#worker = worker;
    let reason = "ended";
    this.#ended = new Promise((resolve) => {
      worker.on("error", (error) => {
        reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      });
      worker.on("exit", () => resolve(reason));
    });
  }

  /** Call once. Rejects with ServiceStartError when the service cannot start. */
  start(plan: Plan): Promise<Running> {
    const ended = this.#ended;
    return new Promise((resolve, reject) => {
      this.#worker.on("message", (message: FromThread) => {
        if (message.kind === "failed") reject(new ServiceStartError(this.#name, message.error));
        if (message.kind === "ready") {
          const { addresses } = message;
          resolve({ addresses, ended, stop: () => this.#say({ kind: "stop" }) });
        }
      });
      void ended.then((why) => reject(new ServiceStartError(this.#name, diedWith(why))));
      this.#say({ kind: "start", plan });
    });
  }

  /** Ends the thread if it was never started. */
  async end(): Promise<void> {
    this.#say({ kind: "stop" });
    await this.#ended;
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

function diedWith(why: string): FailedError {
  return { name: "Error", message: why, stack: "", fixableByUser: false };
}

function withPorts(plan: Plan, addresses: Addresses): Plan {
  return addresses.httpPort === undefined ? plan : { ...plan, feed: { ...plan.feed, port: addresses.httpPort } };
}
