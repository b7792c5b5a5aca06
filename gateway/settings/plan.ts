import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { BridgeConfig } from "../../bridge/common/config.ts";
import type { BrokerConfig } from "../../broker/common/config.ts";
import { isLoopback } from "../../broker/common/config.ts";
import type { FeedConfig } from "../../dashboard-feed/common/config.ts";
import type { IngestConfig } from "../../ingest/common/config.ts";
import type { NotifierConfig } from "../../notifier/config.ts";
import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import { instanceOf } from "../../platform/instance.ts";
import type { Durability } from "../../platform/log/port.ts";
import type { ProcessorsConfig } from "../../processors/config.ts";
import type { StorageConfig } from "../../storage/config.ts";
import {
  nameOf,
  placeOf,
  resolveStore,
  STORES,
  type StoreConfig,
  type StoreEntry,
  type StoreName,
} from "../../storage/stores.ts";
import { packageRoot, packageVersion } from "./paths.ts";
import { type PipelineConfig, toRetention } from "./pipeline-config.ts";
import { BadSettingsError, CONFIG_FILE, SETTINGS, type Settings } from "./settings.ts";

/** The address of NATS and the known facts about it. */
export interface NatsAddress {
  readonly url: string;
  readonly token: string | undefined;
  readonly durability: Durability | undefined;
  /** Whether this gateway started the server. If so, it alone decides what the server's streams keep. */
  readonly owned: boolean;
}

/** Everything that the services need, as plain data: it is copied to their threads. */
export interface Plan {
  readonly partitions: number;
  readonly version: string;
  /** The service that reports the figures of the whole process. */
  readonly reporter: string | undefined;
  /** Names this gateway among others; the same after a restart. */
  readonly member: string;
  /** `weir.yaml`, which may not exist yet, and what it said at the start. */
  readonly configFile: { readonly file: string; readonly started: PipelineConfig };
  readonly broker: BrokerConfig;
  readonly bridges: readonly BridgeConfig[];
  readonly ingest: IngestConfig;
  readonly processors: ProcessorsConfig;
  readonly storage: StorageConfig;
  readonly notifier: NotifierConfig;
  readonly feed: FeedConfig;
  /** The disk of the log, if this gateway started the server. */
  readonly disk: { readonly folder: string; readonly reserveBytes: number | undefined } | undefined;
  readonly log: {
    readonly nats: NatsAddress;
    readonly replicas: number;
    readonly retention: ReturnType<typeof logRetentions>;
  };
  readonly logger: { readonly level: string; readonly pretty: boolean };
}

/**
 * Combines settings and configuration. Throws BadSettingsError if they open Weir to the network without
 * authentication.
 */
export function makePlan(settings: Settings, config: PipelineConfig, nats: NatsAddress): Plan {
  refuseOpenDoors(settings, config);
  const { bind } = settings;
  const anonymous = settings.insecure ? { anonymous: config.broker.anonymous ?? !config.broker.users_file } : {};
  const { stores: _, ...storage } = config.storage;
  return {
    partitions: config.partitions,
    version: packageVersion(),
    reporter: undefined,
    member: memberOf(settings.dataDir),
    configFile: { file: settings.config ?? CONFIG_FILE, started: config },
    broker: { ...config.broker, bind, mqtt_port: settings.mqttPort, ws_port: settings.mqttWsPort, ...anonymous },
    bridges: config.bridges,
    ingest: ingestOf(config),
    processors: { ...config.processors, rules_dir: settings.rulesDir },
    storage: {
      ...storage,
      log_retention: config.log.readings.max_age,
      stores: storesOf(settings, config, process.env),
    },
    notifier: config.notifier,
    feed: {
      ...config.feed,
      bind,
      port: settings.httpPort,
      insecure: settings.insecure,
      instance: instanceOf("feed"),
      page_dir: join(packageRoot(), "dist", "dashboard"),
    },
    disk: nats.owned ? { folder: settings.dataDir, reserveBytes: config.log.disk_reserve } : undefined,
    log: { nats, replicas: config.log.replicas, retention: logRetentions(config) },
    logger: { level: settings.logLevel, pretty: process.stderr.isTTY === true },
  };
}

export function ingestOf({ sources, clock, ingest }: PipelineConfig): IngestConfig {
  return { sources, clock, ...ingest };
}

/** Names the gateway of a data folder among others. */
export function memberOf(dataDir: string): string {
  return `${hostname()}:${resolve(dataDir)}`;
}

/** The retention that the log's streams should have. */
export function logRetentions({ log, broker }: Pick<PipelineConfig, "log" | "broker">) {
  return {
    readings: toRetention(log.readings),
    windows: toRetention(log.windows),
    alerts: toRetention(log.alerts),
    deadLetters: toRetention(log.dead_letters),
    notifications: toRetention(log.notifications),
    mqtt: { queuedBytes: broker.limits.queued_size_max, retainedBytes: broker.limits.retained_size_max },
    bridges: toRetention(log.bridges),
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

/** Flags (and variables) that choose InfluxDB, by the field of its entry that each one sets. */
const INFLUX_FLAGS = {
  url: "influxUrl",
  token: "influxToken",
  org: "influxOrg",
  bucket: "influxBucket",
} as const satisfies Readonly<Record<string, keyof typeof SETTINGS>>;

/**
 * The stores to write to, with their secrets. Flags and variables complete the first InfluxDB of the file; if it has none,
 * they replace its stores. Throws BadSettingsError.
 */
export function storesOf(
  settings: Settings,
  { storage }: Pick<PipelineConfig, "storage">,
  environment: Environment,
): StoreConfig[] {
  const given = Object.fromEntries(Object.entries(INFLUX_FLAGS).map(([field, flag]) => [field, settings[flag]]));
  const isGiven = Object.values(given).some((value) => value !== undefined);
  const isFlagged = storage.stores.find((entry) => nameOf(entry) === "influxdb");
  const entries: readonly StoreEntry[] =
    isGiven && isFlagged === undefined ? [{ influxdb: undefined }] : storage.stores;
  const stores = entries.map((entry): StoreConfig => {
    const name = isGiven && isFlagged === undefined ? "influxdb" : nameOf(entry);
    const flags = isGiven && (isFlagged === undefined || entry === isFlagged) ? given : {};
    const resolved = resolveStore(name, entry, { dataDir: settings.dataDir, environment, flags });
    if (resolved.kind === "complete") return resolved.config;
    throw new BadSettingsError(missingFields(name, resolved.missing));
  });
  const places = stores.map(placeOf);
  const twice = places.find((place, i) => places.indexOf(place) !== i);
  if (twice === undefined) return stores;
  throw new BadSettingsError(
    `two entries of storage.stores are one store, ${twice}; remove one of them, or change its place`,
  );
}

function missingFields(name: StoreName, missing: readonly string[]): string {
  const fields = `storage.stores in weir.yaml with ${missing.join(", ")}`;
  const flagged = Object.entries(name === "influxdb" ? INFLUX_FLAGS : {}).filter(([field]) => missing.includes(field));
  const variables = flagged.map(([, flag]) => SETTINGS[flag].variable).join(", ");
  return `${STORES[name].title} needs ${variables === "" ? fields : `${variables} as well, or ${fields}`}`;
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

/** Throws BadSettingsError if Weir would listen to the network without authentication. */
export function refuseOpenDoors(settings: Settings, config: PipelineConfig): void {
  if (isLoopback(settings.bind) || settings.insecure) return;
  const missing = [
    ...(config.broker.users_file ? [] : ["broker.users_file (who may publish)"]),
    ...(config.feed.tokens ? [] : ["feed.tokens (who may read)"]),
  ];
  if (missing.length === 0) return;
  throw new BadSettingsError(
    `--bind ${settings.bind} opens Weir to the network, where anyone could use it. ` +
      `Set ${missing.join(" and ")} in weir.yaml, or pass --insecure if that is intended.`,
  );
}
