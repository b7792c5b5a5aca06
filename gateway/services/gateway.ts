import type { Logger } from "pino";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import type { PipelineConfig } from "../settings/pipeline-config.ts";
import { makePlan, type NatsAddress, type Plan, SERVICES, type ServiceName } from "../settings/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { takeDataDir } from "./data-dir.ts";
import { type Addresses, type RunningService, runService } from "./run-service.ts";
import { superviseThread } from "./supervised-thread.ts";

export interface Gateway {
  /** Resolves when all services run; rejects, after everything was undone, when one cannot start. */
  readonly ready: Promise<Addresses>;
  /** Drains and ends all services, then the server that was started for them; also in the middle of the start. */
  stop(): Promise<void>;
}

interface GatewayOptions {
  readonly settings: Settings;
  readonly config: PipelineConfig;
  readonly services: readonly ServiceName[];
  readonly logger: Logger;
}

/**
 * Starts services in one process, each but the edge in a thread of its own. The edge comes last, so that nothing comes
 * in before it can go on, and stops first.
 */
export function startGateway(options: GatewayOptions): Gateway {
  const undo = new Undo();
  const ready = start(options, undo).catch(async (error: unknown) => {
    await undo.run();
    throw error;
  });
  // Whoever awaits it hears of a failure; until then it must not count as unhandled.
  ready.catch(() => {});
  return { ready, stop: () => undo.run() };
}

/** What has to be undone, the newest first. What is added after `run` is undone at once. */
class Undo {
  readonly #steps: (() => Promise<void> | void)[] = [];
  #running: Promise<void> | undefined;

  async add(step: () => Promise<void> | void): Promise<void> {
    if (this.#running === undefined) this.#steps.push(step);
    else await step();
  }

  run(): Promise<void> {
    this.#running ??= (async () => {
      for (const step of this.#steps.reverse()) await step();
    })();
    return this.#running;
  }
}

async function start({ settings, config, services, logger }: GatewayOptions, undo: Undo): Promise<Addresses> {
  const dataDir = takeDataDir(settings.dataDir);
  await undo.add(() => dataDir.release());
  makePlan(settings, config, { url: "", token: undefined, durability: undefined });
  const nats = await findNats(settings, logger);
  await undo.add(nats.stop);
  const plan = makePlan(settings, config, nats.address);
  let addresses: Addresses = {};
  async function startAll(names: readonly ServiceName[]): Promise<void> {
    const starts = await Promise.allSettled(names.map((name) => startOne(name, plan, logger)));
    for (const start of starts) {
      if (start.status === "rejected") continue;
      await undo.add(() => start.value.stop());
      addresses = { ...addresses, ...start.value.addresses };
    }
    for (const start of starts) if (start.status === "rejected") throw start.reason;
  }
  await startAll(SERVICES.filter((name) => name !== "edge" && services.includes(name)));
  await startAll(SERVICES.filter((name) => name === "edge" && services.includes(name)));
  const { mqttPort, mqttWsPort, httpPort } = addresses;
  const { url: natsUrl, token: natsToken } = nats.address;
  dataDir.writeRunFile({ pid: process.pid, natsUrl, natsToken, mqttPort, mqttWsPort, httpPort });
  return addresses;
}

function startOne(name: ServiceName, plan: Plan, logger: Logger): Promise<RunningService> {
  return name === "edge" ? runService(name, plan) : superviseThread(name, plan, logger);
}

interface Nats {
  readonly address: NatsAddress;
  readonly stop: () => Promise<void>;
}

async function findNats(settings: Settings, logger: Logger): Promise<Nats> {
  const { natsUrl, natsToken, dataDir } = settings;
  if (natsUrl !== undefined) {
    return { address: { url: natsUrl, token: natsToken, durability: undefined }, stop: async () => {} };
  }
  const server = await launchNatsServer({ dataDir, logger });
  const { url, token, durability } = server;
  return { address: { url, token, durability }, stop: () => server.stop() };
}
