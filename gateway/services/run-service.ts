import type { Logger } from "pino";
import { UserError } from "../../domain/user-error.ts";
import { systemClock } from "../../platform/clock.ts";
import { startHealthReports } from "../../platform/health-reports.ts";
import { instanceOf } from "../../platform/instance.ts";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { createLogger } from "../../platform/logger.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { addProcessFigures } from "../../platform/process-figures.ts";
import type { Deps } from "../../platform/service.ts";
import { startStatsReports } from "../../platform/stats.ts";
import type { Plan } from "../settings/plan.ts";
import { SERVICES, type ServiceName } from "./services.ts";
import type { Addresses, Started } from "./started.ts";

export interface RunningService {
  readonly name: ServiceName;
  readonly addresses: Addresses;
  stop(): Promise<void>;
}

/** Starts one service with its own connection to the log, its own metrics and its own health reports. */
export async function runService(name: ServiceName, plan: Plan): Promise<RunningService> {
  const logger = createLogger({ ...plan.logger, name });
  const instance = instanceOf(name);
  const metrics = createMetrics();
  if (name === plan.reporter) addProcessFigures(metrics, { version: plan.version });
  const log = await connectLog(name, plan, logger);
  const deps: Deps = { clock: systemClock, logger, log, metrics };
  let started: Started;
  try {
    await checkPartitions(log, plan.partitions);
    const start = await SERVICES[name].load();
    started = await start(plan, deps);
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

/** The log was created with another number of partitions: the readings of a device would be in two places. */
class PartitionsChangedError extends UserError {
  override readonly name = "PartitionsChangedError";
}

async function checkPartitions(log: Log, partitions: number): Promise<void> {
  const written = await log.records.get("partitions");
  if (written === undefined) {
    // Another service may write it first: then its value counts.
    await log.records.set("partitions", new TextEncoder().encode(String(partitions)), 0).catch(() => {});
    return;
  }
  const before = Number(new TextDecoder().decode(written.value));
  if (before === partitions) return;
  throw new PartitionsChangedError(
    `partitions: ${partitions} does not fit the log, which has ${before}. Set partitions: ${before} in weir.yaml, or start with a new data folder.`,
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
