import { z } from "zod";
import { durationField, sizeField } from "../../platform/files/schemas.ts";
import { addressSchema } from "../../platform/files/secret-values.ts";

export const duckdbSchema = z.strictObject({
  file: z
    .string()
    .min(1)
    .default(".weir/history.duckdb")
    .describe("The database file. Only one process at a time can open it."),
  memory_max: sizeField("64MiB", "1TiB").prefault("256MiB").describe("Memory that DuckDB may use."),
  threads: z.int().min(1).max(256).default(2).describe("Threads that DuckDB may use."),
});

export const influxdbSchema = z.strictObject({
  url: addressSchema({
    protocols: ["http", "https"],
    example: "http://127.0.0.1:8086",
    instead: "token_env or token_file",
  }).describe("Address of InfluxDB 2."),
  token: z.string().min(1).describe("A token that may read and write the bucket."),
  org: z.string().min(1).describe("The organization that owns the bucket."),
  bucket: z.string().min(1).describe("The bucket to write results to."),
  request_timeout: durationField("1s", "1d")
    .prefault("30s")
    .describe("A request that takes longer is cancelled and retried."),
  retry_after_max: durationField("10ms", "1d")
    .prefault("30s")
    .describe("The longest pause between two tries while InfluxDB is unavailable."),
  requests_max: z.int().min(1).max(16).default(2).describe("Batches of readings that may be in flight at a time."),
});

/** What every store has in common. */
export const storageFields = {
  raw: z.boolean().default(true).describe("Store every reading, not only windows and alerts."),
  retention: durationField("1m", "36500d")
    .optional()
    .describe("Results older than this are deleted from the store (or the bucket). Left out: nothing is deleted."),
  batch_rows_max: z.int().min(1).max(200_000).default(10_000).describe("Rows of one write."),
  linger: durationField("1ms", "1m")
    .prefault("200ms")
    .describe("How long a reading may wait so that others are written with it."),
  series_max: z
    .int()
    .min(1_000)
    .default(500_000)
    .describe("Series whose names are kept in memory. Further ones are looked up each time."),
};

export const storageConfigSchema = z.strictObject({
  ...storageFields,
  log_retention: durationField("1s", "36500d")
    .optional()
    .describe("How long the log keeps messages: tells how much time is left when storage lags behind."),
  store: z
    .union([z.strictObject({ duckdb: duckdbSchema }), z.strictObject({ influxdb: influxdbSchema })])
    .prefault({ duckdb: {} }),
});

export type StorageConfig = z.output<typeof storageConfigSchema>;
export type DuckdbConfig = z.output<typeof duckdbSchema>;
export type InfluxdbConfig = z.output<typeof influxdbSchema>;
