import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { BrokerConfig } from "../../broker/common/config.ts";
import { brokerConfigSchema, isLoopback } from "../../broker/common/config.ts";
import type { FeedConfig } from "../../dashboard-feed/common/config.ts";
import type { IngestConfig } from "../../ingest/common/config.ts";
import type { NotifierConfig } from "../../notifier/common/config.ts";
import type { Durability } from "../../platform/log/port.ts";
import type { ProcessorsConfig } from "../../processors/config.ts";
import { influxSchema, type StorageConfig } from "../../storage/common/config.ts";
import { packageRoot } from "./paths.ts";
import { type PipelineConfig, toRetention } from "./pipeline-config.ts";
import { BadSettingsError, type Settings } from "./settings.ts";

/** The parts that run by themselves. The edge is broker and ingest in one. */
export const SERVICES = ["feed", "storage", "notifier", "processors", "edge"] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Where NATS is, and what is known of it. */
export interface NatsAddress {
  readonly url: string;
  readonly token: string | undefined;
  readonly durability: Durability | undefined;
}

/** All that the services need, as plain data: it travels to their threads. */
export interface Plan {
  readonly partitions: number;
  /** Names this gateway among others, the same after a restart. */
  readonly member: string;
  readonly broker: BrokerConfig;
  readonly ingest: IngestConfig;
  readonly processors: ProcessorsConfig;
  readonly storage: StorageConfig;
  readonly notifier: NotifierConfig;
  readonly feed: FeedConfig;
  readonly log: {
    readonly nats: NatsAddress;
    readonly replicas: number;
    readonly retention: ReturnType<typeof logRetentions>;
  };
  readonly logger: { readonly level: string; readonly pretty: boolean };
}

/** Combines settings and configuration. Throws BadSettingsError where they would leave a door open. */
export function makePlan(settings: Settings, config: PipelineConfig, nats: NatsAddress): Plan {
  refuseOpenDoors(settings, config);
  const { bind, influxUrl, influxToken, influxOrg, influxBucket } = settings;
  const wsPort = settings.mqttWsPort === undefined ? {} : { wsPort: settings.mqttWsPort };
  const anonymous = settings.insecure ? { anonymous: config.broker.anonymous ?? !config.broker.usersFile } : {};
  const influx = influxUrl
    ? { influx: influxSchema.parse({ url: influxUrl, token: influxToken, org: influxOrg, bucket: influxBucket }) }
    : {};
  return {
    partitions: config.partitions,
    member: `${hostname()}:${resolve(settings.dataDir)}`,
    broker: brokerConfigSchema.parse({ ...config.broker, bind, mqttPort: settings.mqttPort, ...wsPort, ...anonymous }),
    ingest: { sources: config.sources, clock: config.clock, ...config.ingest },
    processors: { ...config.processors, rulesDir: settings.rulesDir },
    storage: {
      ...config.storage,
      logRetention: config.log.readings.maxAge,
      duckdb: {
        ...config.storage.duckdb,
        file: config.storage.duckdb.file ?? join(settings.dataDir, "history.duckdb"),
      },
      ...influx,
    },
    notifier: config.notifier,
    feed: {
      ...config.feed,
      bind,
      port: settings.httpPort,
      insecure: settings.insecure,
      instance: `feed-${process.pid}`,
      pageDir: join(packageRoot(), "dist", "dashboard"),
    },
    log: {
      nats,
      replicas: config.log.replicas,
      retention: logRetentions(config),
    },
    logger: { level: settings.logLevel, pretty: process.stderr.isTTY === true },
  };
}

/** What the log's streams are asked to keep. */
export function logRetentions({ log }: Pick<PipelineConfig, "log">) {
  return {
    readings: toRetention(log.readings),
    windows: toRetention(log.windows),
    alerts: toRetention(log.alerts),
    deadLetters: toRetention(log.deadLetters),
    notifications: toRetention(log.notifications),
  };
}

function refuseOpenDoors(settings: Settings, config: PipelineConfig): void {
  if (isLoopback(settings.bind) || settings.insecure) return;
  const missing = [
    ...(config.broker.usersFile ? [] : ["broker.usersFile (who may publish)"]),
    ...(config.feed.tokens ? [] : ["feed.tokens (who may look)"]),
  ];
  if (missing.length === 0) return;
  throw new BadSettingsError(
    `--bind ${settings.bind} opens Weir to the network, where everybody could use it. ` +
      `Set ${missing.join(" and ")} in weir.yaml, or pass --insecure if that is meant.`,
  );
}
