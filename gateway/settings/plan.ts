import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { BrokerConfig } from "../../broker/common/config.ts";
import { isLoopback } from "../../broker/common/config.ts";
import type { FeedConfig } from "../../dashboard-feed/common/config.ts";
import type { IngestConfig } from "../../ingest/common/config.ts";
import type { NotifierConfig } from "../../notifier/config.ts";
import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import type { Durability } from "../../platform/log/port.ts";
import type { ProcessorsConfig } from "../../processors/config.ts";
import { duckdbSchema, influxdbSchema, type StorageConfig } from "../../storage/common/config.ts";
import { packageRoot } from "./paths.ts";
import { type PipelineConfig, toRetention } from "./pipeline-config.ts";
import { BadSettingsError, SETTINGS, type Settings } from "./settings.ts";

/** Where NATS is, and what is known of it. */
export interface NatsAddress {
  readonly url: string;
  readonly token: string | undefined;
  readonly durability: Durability | undefined;
}

/** Everything that the services need, as plain data: it is copied to their threads. */
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
  const { bind } = settings;
  const anonymous = settings.insecure ? { anonymous: config.broker.anonymous ?? !config.broker.users_file } : {};
  const { stores: _, ...storage } = config.storage;
  return {
    partitions: config.partitions,
    member: `${hostname()}:${resolve(settings.dataDir)}`,
    broker: { ...config.broker, bind, mqtt_port: settings.mqttPort, ws_port: settings.mqttWsPort, ...anonymous },
    ingest: { sources: config.sources, clock: config.clock, ...config.ingest },
    processors: { ...config.processors, rules_dir: settings.rulesDir },
    storage: {
      ...storage,
      log_retention: config.log.readings.max_age,
      store: storeOf(settings, config, process.env),
    },
    notifier: config.notifier,
    feed: {
      ...config.feed,
      bind,
      port: settings.httpPort,
      insecure: settings.insecure,
      instance: `feed-${process.pid}`,
      page_dir: join(packageRoot(), "dist", "dashboard"),
    },
    log: { nats, replicas: config.log.replicas, retention: logRetentions(config) },
    logger: { level: settings.logLevel, pretty: process.stderr.isTTY === true },
  };
}

/** What the log's streams are asked to keep. */
export function logRetentions({ log }: Pick<PipelineConfig, "log">) {
  return {
    readings: toRetention(log.readings),
    windows: toRetention(log.windows),
    alerts: toRetention(log.alerts),
    deadLetters: toRetention(log.dead_letters),
    notifications: toRetention(log.notifications),
  };
}

/** The NATS server to use; undefined when Weir starts its own. Flags and variables win over the file. */
export function natsOf(
  { natsUrl, natsToken }: Pick<Settings, "natsUrl" | "natsToken">,
  { nats }: Pick<PipelineConfig, "nats">,
  environment: Environment,
): { readonly url: string; readonly token: string | undefined } | undefined {
  const url = natsUrl ?? nats.url;
  if (url === undefined) return undefined;
  return { url, token: natsToken ?? secretValue("nats: the token", placesOf(nats), environment) };
}

/** Which flag (and variable) gives which part of InfluxDB's address. */
const INFLUX = { url: "influxUrl", token: "influxToken", org: "influxOrg", bucket: "influxBucket" } as const;
const INFLUX_PARTS = ["url", "token", "org", "bucket"] as const;

/** The store to write to, with its secret. Flags and variables win over the file. Throws BadSettingsError. */
export function storeOf(
  settings: Settings,
  { storage }: Pick<PipelineConfig, "storage">,
  environment: Environment,
): StorageConfig["store"] {
  const { duckdb = duckdbSchema.partial({ file: true }).parse({}), influxdb } = storage.stores[0] ?? {};
  if (influxdb === undefined && INFLUX_PARTS.every((part) => settings[INFLUX[part]] === undefined)) {
    return { duckdb: { ...duckdb, file: duckdb.file ?? join(settings.dataDir, "history.duckdb") } };
  }
  const token = settings.influxToken ?? secretValue("influxdb: the token", placesOf(influxdb ?? {}), environment);
  const {
    influxUrl: url = influxdb?.url,
    influxOrg: org = influxdb?.org,
    influxBucket: bucket = influxdb?.bucket,
  } = settings;
  const given = { url, token, org, bucket };
  const missing = INFLUX_PARTS.filter((part) => given[part] === undefined);
  if (missing.length > 0) {
    const variables = missing.map((part) => SETTINGS[INFLUX[part]].variable).join(", ");
    throw new BadSettingsError(
      `InfluxDB needs ${variables} as well, or storage.stores in weir.yaml with ${missing.join(", ")}`,
    );
  }
  const { request_timeout, retry_after_max, requests_max } = influxdb ?? influxdbSchema.parse(given);
  return { influxdb: { ...influxdbSchema.parse(given), request_timeout, retry_after_max, requests_max } };
}

function placesOf({
  token_env: env,
  token_file: file,
}: {
  token_env?: string | undefined;
  token_file?: string | undefined;
}) {
  return { env, file };
}

function refuseOpenDoors(settings: Settings, config: PipelineConfig): void {
  if (isLoopback(settings.bind) || settings.insecure) return;
  const missing = [
    ...(config.broker.users_file ? [] : ["broker.users_file (who may publish)"]),
    ...(config.feed.tokens ? [] : ["feed.tokens (who may read)"]),
  ];
  if (missing.length === 0) return;
  throw new BadSettingsError(
    `--bind ${settings.bind} opens Weir to the network, where everybody could use it. ` +
      `Set ${missing.join(" and ")} in weir.yaml, or pass --insecure if that is intended.`,
  );
}
