import type { Logger } from "pino";
import { systemClock } from "../../platform/clock.ts";
import { prepareStreams } from "../../platform/log/prepare-streams.ts";
import { storeFreeBytes } from "../../platform/nats-server/data-dir.ts";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import type { PipelineConfig } from "../settings/pipeline-config.ts";
import { makePlan, type NatsAddress, natsOf, type Plan } from "../settings/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { takeDataDir } from "./data-dir.ts";
import { preflight } from "./preflight.ts";
import { createPrivately, makePrivate } from "./private-files.ts";
import { type RunningService, runService } from "./run-service.ts";
import { SERVICE_NAMES, SERVICES, type ServiceName } from "./services.ts";
import type { Addresses } from "./started.ts";
import { ServiceThread, superviseThread } from "./supervised-thread.ts";

export interface Gateway {
  /** Resolves when all services run. Rejects when one cannot start, after everything is undone. */
  readonly ready: Promise<Addresses>;
  /** Drains and stops all services, then the NATS server that was started for them. Works during the start, too. */
  stop(): Promise<void>;
  /** The step that `stop` waits for, or would start with. */
  stopsNext(): string | undefined;
}

interface GatewayOptions {
  readonly settings: Settings;
  readonly config: PipelineConfig;
  readonly services: readonly ServiceName[];
  readonly logger: Logger;
}

/**
 * Starts services in one process, each except the edge in its own thread. The edge starts last, so that no reading
 * arrives before it can be processed, and stops first.
 */
export function startGateway(options: GatewayOptions): Gateway {
  const undo = new Undo();
  let failed = false;
  const ready = start(options, undo).catch(async (error: unknown) => {
    // This error is the one to report.
    failed = true;
    await undo.run().catch((err: unknown) => options.logger.error({ err }, "could not undo the start"));
    throw error;
  });
  // The code that awaits it gets the failure; until then it must not count as unhandled.
  ready.catch(() => {});
  const stop = () =>
    undo.run().catch((error: unknown) => {
      if (!failed) throw error;
    });
  return { ready, stop, stopsNext: () => undo.next() };
}

interface Step {
  readonly name: string;
  run(): Promise<void> | void;
}

/** Steps to undo, the newest first. A step that is added after `run` is undone at once. */
class Undo {
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;

  async add(step: Step): Promise<void> {
    if (this.#running === undefined) this.#steps.push(step);
    else await step.run();
  }

  /** Runs all steps, even if some fail, and then throws the first failure. */
  run(): Promise<void> {
    this.#running ??= (async () => {
      const failures: unknown[] = [];
      for (let step = this.#steps.at(-1); step !== undefined; step = this.#steps.at(-1)) {
        try {
          await step.run();
        } catch (error) {
          failures.push(error);
        }
        this.#steps.pop();
      }
      if (failures.length > 0) throw failures[0];
    })();
    return this.#running;
  }

  next(): string | undefined {
    return this.#steps.at(-1)?.name;
  }
}

async function start({ settings, config, services, logger }: GatewayOptions, undo: Undo): Promise<Addresses> {
  createPrivately();
  const dataDir = takeDataDir(settings.dataDir);
  await undo.add({ name: "data folder", run: () => dataDir.release() });
  makePrivate(settings.dataDir);
  const wanted = SERVICE_NAMES.filter((name) => services.includes(name));
  const nowhere = { url: "", token: undefined, durability: undefined, owned: false };
  await preflight(makePlan(settings, config, nowhere), wanted, process.env);
  const threads = new Map(
    wanted.flatMap((name) => (SERVICES[name].thread === "own" ? [[name, new ServiceThread(name)] as const] : [])),
  );
  await undo.add({ name: "threads", run: () => endAll(threads) });
  const nats = await findNats(settings, config, logger, undo);
  const plan = { ...makePlan(settings, config, nats), reporter: wanted.at(-1) };
  await prepareLog(plan, settings, logger, undo);
  let addresses: Addresses = {};
  async function startAll(names: readonly ServiceName[]): Promise<void> {
    const starts = await Promise.allSettled(names.map((name) => startOne({ name, plan, logger }, threads)));
    for (const start of starts) {
      if (start.status === "rejected") continue;
      const { name, stop } = start.value;
      await undo.add({ name, run: stop });
      addresses = { ...addresses, ...start.value.addresses };
    }
    for (const start of starts) if (start.status === "rejected") throw start.reason;
  }
  await startAll(wanted.filter((name) => !SERVICES[name].startsLast));
  await startAll(wanted.filter((name) => SERVICES[name].startsLast));
  const { mqttPort, mqttWsPort, httpPort } = addresses;
  const { url: natsUrl, token: natsToken } = nats;
  dataDir.writeRunFile({ pid: process.pid, natsUrl, natsToken, mqttPort, mqttWsPort, httpPort });
  return addresses;
}

type Threads = Map<ServiceName, ServiceThread>;

function startOne(
  one: { readonly name: ServiceName; readonly plan: Plan; readonly logger: Logger },
  threads: Threads,
): Promise<RunningService> {
  const thread = threads.get(one.name);
  if (thread === undefined) return runService(one.name, one.plan);
  threads.delete(one.name);
  return superviseThread(one, thread);
}

/** Ends the threads that no service was started in. */
async function endAll(threads: Threads): Promise<void> {
  await Promise.all([...threads.values()].map((thread) => thread.end()));
}

/**
 * Runs once, before the services, each of which only creates what is missing. A stop also ends the wait for the
 * server.
 */
async function prepareLog({ log }: Plan, { dataDir }: Settings, logger: Logger, undo: Undo): Promise<void> {
  const { nats, replicas, retention } = log;
  const abort = new AbortController();
  await undo.add({ name: "log", run: () => abort.abort() });
  await prepareStreams({
    servers: nats.url,
    ...(nats.token === undefined ? {} : { token: nats.token }),
    name: "weir-start",
    logger,
    signal: abort.signal,
    retention,
    replicas,
    ownDiskFreeBytes: nats.owned ? () => storeFreeBytes(dataDir) : undefined,
    nowUs: systemClock.nowUs,
  });
}

/** The server of the settings, or one that Weir starts. A stop also ends it during its start. */
async function findNats(settings: Settings, config: PipelineConfig, logger: Logger, undo: Undo): Promise<NatsAddress> {
  const address = natsOf(settings, config, process.env);
  if (address !== undefined) return { ...address, durability: undefined, owned: false };
  const abort = new AbortController();
  const launching = launchNatsServer({ dataDir: settings.dataDir, logger, signal: abort.signal });
  await undo.add({
    name: "nats-server",
    async run() {
      abort.abort();
      const server = await launching.catch(() => undefined);
      await server?.stop();
    },
  });
  const { url, token, durability } = await launching;
  return { url, token, durability, owned: true };
}
