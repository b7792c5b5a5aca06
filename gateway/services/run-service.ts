import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { OWN_BROKER, type OwnBroker } from "../../contracts/notifications.ts";
import { UserError } from "../../domain/user-error.ts";
import { systemClock } from "../../platform/clock.ts";
import { startHealthReports, watchHealth } from "../../platform/health-reports.ts";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { createLogger } from "../../platform/logger.ts";
import { createMetrics } from "../../platform/metrics.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { Deps, Service } from "../../platform/service.ts";
import { startStatsReports } from "../../platform/stats.ts";
import type { Plan, ServiceName } from "../settings/plan.ts";
import { SERVICES } from "../settings/plan.ts";

/** Ports that a running service listens on. */
export interface Addresses {
  readonly mqttPort?: number;
  readonly mqttWsPort?: number;
  readonly httpPort?: number;
}

export interface RunningService {
  readonly name: ServiceName;
  readonly addresses: Addresses;
  stop(): Promise<void>;
}

/** Starts one service with a log connection, figures and health reports of its own. */
export async function runService(name: ServiceName, plan: Plan): Promise<RunningService> {
  const logger = createLogger({ ...plan.logger, name });
  const instance = `${name}-${process.pid}`;
  const metrics = createMetrics();
  const log = await connectLog(name, plan, logger);
  const deps: Deps = { clock: systemClock, logger, log, metrics };
  let started: Started;
  try {
    await checkPartitions(log, plan.partitions);
    started = await start(name, plan, deps);
  } catch (error) {
    await log.close();
    throw error;
  }
  const stopStats = startStatsReports({ instance, bus: log.bus, metrics, nowUs: systemClock.nowUs });
  const stopHealth = startHealthReports({ bus: log.bus, instance, name, health: () => started.health() });
  return {
    name,
    addresses: started.addresses,
    async stop() {
      await started.stop();
      stopStats();
      stopHealth();
      await log.close();
    },
  };
}

type Started = Pick<Service, "health" | "stop"> & { readonly addresses: Addresses };

/** A thread loads the code of its own service only: all of it in each would be most of the time that a start takes. */
async function start(name: ServiceName, plan: Plan, deps: Deps): Promise<Started> {
  const { partitions } = plan;
  switch (name) {
    case "edge":
      return startEdge(plan, deps);
    case "processors": {
      const { startProcessors } = await import("../../processors/processors.ts");
      const { member } = plan;
      return withoutAddresses(await startProcessors(plan.processors, { ...deps, partitions, member }));
    }
    case "storage": {
      const { startStorage } = await import("../../storage/storage.ts");
      return withoutAddresses(await startStorage(plan.storage, deps));
    }
    case "notifier": {
      const { startNotifier } = await import("../../notifier/notifier.ts");
      return withoutAddresses(await startNotifier(plan.notifier, deps));
    }
    case "feed": {
      const { startDashboardFeed } = await import("../../dashboard-feed/dashboard-feed.ts");
      const board = watchHealth(deps.log.bus, expectedServices(plan));
      const feed = await startDashboardFeed(plan.feed, { ...deps, readiness: board.entries });
      return {
        health: () => feed.health(),
        stop: () => feed.stop().finally(board.close),
        addresses: { httpPort: feed.address.port },
      };
    }
  }
}

/** A service may be an instance of a class, whose methods are not copied by a spread. */
function withoutAddresses(service: Service): Started {
  return { health: () => service.health(), stop: () => service.stop(), addresses: {} };
}

/** A notifier that has nobody to tell may be left out. */
function expectedServices(plan: Plan): readonly ServiceName[] {
  const tells = Object.keys(plan.notifier.receivers).length > 0;
  return SERVICES.filter((name) => name !== "notifier" || tells);
}

/** Broker and ingest share a process: an acknowledgement waits for the log, not for another hop. */
async function startEdge(plan: Plan, deps: Deps): Promise<Started> {
  const { startIngest } = await import("../../ingest/ingest.ts");
  const { startBroker } = await import("../../broker/broker.ts");
  const ingest = await startIngest(plan.ingest, { ...deps, partitions: plan.partitions });
  // Hard to guess: a device with such a name would keep its readings from the log.
  const clientIdPrefix = `weir-own-${randomBytes(9).toString("base64url")}-`;
  try {
    const broker = await startBroker(plan.broker, { ...deps, gate: passOwn(ingest, clientIdPrefix) });
    const { mqttPort, wsPort } = broker.address;
    const own: OwnBroker = { host: reachable(plan.broker.bind), port: mqttPort, clientIdPrefix };
    const stopAnswering = deps.log.bus.respond(OWN_BROKER, async () => own);
    return {
      addresses: wsPort === undefined ? { mqttPort } : { mqttPort, mqttWsPort: wsPort },
      health() {
        const health = broker.health();
        return health.ready ? ingest.health() : health;
      },
      async stop() {
        stopAnswering();
        await broker.stop();
        await ingest.stop();
      },
    };
  } catch (error) {
    await ingest.stop();
    throw error;
  }
}

/** What Weir itself publishes, such as alerts, is no reading: it goes to subscribers only. */
function passOwn(gate: PublishGate, clientIdPrefix: string): PublishGate {
  return {
    accept(message, done) {
      if (message.clientId.startsWith(clientIdPrefix)) done();
      else gate.accept(message, done);
    },
  };
}

/** An address that this machine's other services reach the broker by. */
function reachable(bind: string): string {
  if (bind === "0.0.0.0") return "127.0.0.1";
  return bind === "::" ? "::1" : bind;
}

/** The log was begun with another number of partitions: a device's readings would be in two places. */
class PartitionsChangedError extends UserError {
  override readonly name = "PartitionsChangedError";
}

async function checkPartitions(log: Log, partitions: number): Promise<void> {
  const written = await log.records.get("partitions");
  if (written === undefined) {
    // Another service may write it first: what counts is what stands there then.
    await log.records.set("partitions", new TextEncoder().encode(String(partitions)), 0).catch(() => {});
    return;
  }
  const before = Number(new TextDecoder().decode(written.value));
  if (before === partitions) return;
  throw new PartitionsChangedError(
    `partitions: ${partitions} does not fit the log, which has ${before}. Set partitions: ${before} in weir.yaml, or begin with a new data folder.`,
  );
}

function connectLog(name: string, plan: Plan, logger: Logger) {
  const { nats, replicas, retention } = plan.log;
  return connectJetStreamLog({
    servers: nats.url,
    name: `weir-${name}`,
    partitions: plan.partitions,
    retention,
    replicas,
    logger,
    ...(nats.token === undefined ? {} : { token: nats.token }),
    ...(nats.durability === undefined ? {} : { knownDurability: nats.durability }),
  });
}
