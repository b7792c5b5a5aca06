import { z } from "zod";
import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import { durationUs, durationUsBetween } from "../../platform/files/schemas.ts";

export const duckdbSchema = z.strictObject({
  file: z
    .string()
    .min(1)
    .default(".weir/history.duckdb")
    .describe("The database file. One process at a time opens it."),
  memoryMaxMb: z.number().int().min(64).max(1_048_576).default(256).describe("Memory that DuckDB may use, in MB."),
  threads: z.number().int().min(1).max(256).default(2).describe("Threads that DuckDB may use."),
});

export const influxSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe("Where InfluxDB 2 listens, for example `http://127.0.0.1:8086`."),
  token: z.string().min(1).describe("A token that may read and write the bucket."),
  org: z.string().min(1).describe("The organization that owns the bucket."),
  bucket: z.string().min(1).describe("The bucket that results go to."),
  requestTimeout: durationUsBetween({ minUs: 1_000_000, maxUs: US_PER_DAY })
    .default(30_000_000)
    .describe("A request that takes longer is given up and tried again."),
  retryAfterMax: durationUsBetween({ minUs: 10_000, maxUs: US_PER_DAY })
    .default(30_000_000)
    .describe("The longest pause between two tries while InfluxDB is away."),
  requestsMax: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(2)
    .describe("Batches of readings that may be on their way at one time."),
});

export const storageConfigSchema = z.strictObject({
  raw: z.boolean().default(true).describe("Store every reading, not only windows and alerts."),
  retention: durationUsBetween({ minUs: US_PER_MINUTE, maxUs: 36_500 * US_PER_DAY })
    .optional()
    .describe("Results older than this are deleted from the store (or the bucket). Kept for ever when left out."),
  logRetention: durationUs()
    .optional()
    .describe("How long the log keeps messages, to say how much time is left when storage lags behind."),
  batchRows: z.number().int().min(1).max(200_000).default(10_000).describe("Rows of one write, at most."),
  linger: durationUsBetween({ minUs: 1_000, maxUs: US_PER_MINUTE })
    .default(200_000)
    .describe("How long a reading may wait for others to be written with."),
  seriesMax: z
    .number()
    .int()
    .min(1_000)
    .default(500_000)
    .describe("Series whose names are kept in memory; more than that are looked up again."),
  duckdb: duckdbSchema.prefault({}).describe("The embedded store."),
  influx: influxSchema.optional().describe("InfluxDB 2, used instead of the embedded store when given."),
});

export type StorageConfig = z.output<typeof storageConfigSchema>;
export type DuckdbConfig = StorageConfig["duckdb"];
export type InfluxConfig = NonNullable<StorageConfig["influx"]>;
