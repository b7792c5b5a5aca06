import { secretValue } from "../../platform/files/secret-values.ts";
import type { Resolved, StoreDeps, StoreGivens, StoreKind } from "../common/store-kind.ts";
import { type InfluxdbConfig, type InfluxdbEntry, influxdbEntrySchema, influxdbSchema } from "./config.ts";

const CHECK_MS_MAX = 3_000;
/** Required fields: they have no default. */
const REQUIRED = ["url", "token", "org", "bucket"] as const;

export const INFLUXDB = {
  title: "InfluxDB",
  doc: "InfluxDB 2, a server.",
  hasHistory: true,
  entry: influxdbEntrySchema,
  config: influxdbSchema,

  resolve(entry: InfluxdbEntry | undefined, { flags, environment }: StoreGivens): Resolved<InfluxdbConfig> {
    const places = { env: entry?.token_env, file: entry?.token_file };
    const required = {
      url: flags.url ?? entry?.url,
      token: flags.token ?? secretValue("influxdb: the token", places, environment),
      org: flags.org ?? entry?.org,
      bucket: flags.bucket ?? entry?.bucket,
    };
    const missing = REQUIRED.filter((field) => required[field] === undefined);
    if (missing.length > 0) return { kind: "incomplete", missing };
    const config = influxdbSchema.parse(required);
    const { request_timeout, retry_after_max, requests_max } = entry ?? config;
    return { kind: "complete", config: { ...config, request_timeout, retry_after_max, requests_max } };
  },

  place: ({ url, org, bucket }: InfluxdbConfig): string => `${new URL(url).href} ${org} ${bucket}`,

  async open(config: InfluxdbConfig, { log, events, nowUs }: StoreDeps) {
    const { createInfluxStore } = await import("./influx-store.ts");
    const store = createInfluxStore({ config, log, events, nowUs });
    store.greet();
    return { writer: store, history: store };
  },

  async check({ url }: InfluxdbConfig): Promise<string> {
    const signal = AbortSignal.timeout(CHECK_MS_MAX);
    const response = await fetch(new URL("/health", url), { signal }).catch(() => undefined);
    if (!response?.ok) throw new Error(`InfluxDB at ${url} does not answer; results would wait in the log`);
    return `InfluxDB at ${url} answers`;
  },
} as const satisfies StoreKind;
