import { readFileSync } from "node:fs";
import { z } from "zod";
import { brokerConfigSchema } from "../../broker/common/config.ts";
import { feedConfigSchema } from "../../dashboard-feed/common/config.ts";
import { reasonOf } from "../../domain/reason.ts";
import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { notifierConfigSchema } from "../../notifier/common/config.ts";
import { durationUsBetween } from "../../platform/files/schemas.ts";
import { BadFileError, parseYaml } from "../../platform/files/yaml-file.ts";
import { processorsConfigSchema } from "../../processors/config.ts";
import { duckdbSchema, storageConfigSchema } from "../../storage/common/config.ts";

const MIB = 1024 * 1024;

function retention(age: string, mebibytes: number) {
  return z
    .strictObject({
      maxAge: durationUsBetween({ minUs: US_PER_MINUTE, maxUs: 3650 * US_PER_DAY })
        .prefault(age)
        .describe("How long messages are kept."),
      maxMebibytes: z.int().min(16).default(mebibytes).describe("How much is kept; the oldest goes first."),
    })
    .prefault({});
}

/** `weir.yaml`. What the process settings say (addresses, folders, secrets) is not repeated here. */
export const pipelineConfigSchema = z.strictObject({
  partitions: z
    .int()
    .min(1)
    .max(256)
    .default(4)
    .describe(
      "Partitions of the readings log. At most twice as many processors share the work. Fixed once there is data.",
    ),
  sources: ingestConfigSchema.shape.sources,
  clock: ingestConfigSchema.shape.clock,
  ingest: ingestConfigSchema.pick({ frame: true, limits: true, bridge: true }).prefault({}),
  broker: brokerConfigSchema.omit({ bind: true, mqttPort: true, wsPort: true }).prefault({}),
  processors: processorsConfigSchema.omit({ rulesDir: true }).prefault({}),
  storage: storageConfigSchema
    .omit({ influx: true, logRetention: true, duckdb: true })
    .extend({ duckdb: duckdbSchema.extend({ file: z.string().min(1).optional() }).prefault({}) })
    .prefault({}),
  notifier: notifierConfigSchema.prefault({}).describe("Who is told of alerts, and how."),
  feed: z
    .strictObject({
      tokens: feedConfigSchema.shape.tokens,
      allowedOrigins: feedConfigSchema.shape.allowedOrigins,
      limits: feedConfigSchema.shape.limits,
      history: feedConfigSchema.shape.history,
    })
    .prefault({}),
  log: z
    .strictObject({
      replicas: z.int().min(1).max(5).default(1).describe("Copies in a NATS cluster."),
      readings: retention("24h", 10_240),
      windows: retention("24h", 2_048),
      alerts: retention("365d", 1_024),
      deadLetters: retention("30d", 1_024),
      notifications: retention("365d", 256),
    })
    .prefault({}),
});

export type PipelineConfig = z.output<typeof pipelineConfigSchema>;

/** The file's configuration, or all defaults without one. Throws BadFileError. */
export function readPipelineConfig(file: string | undefined): PipelineConfig {
  if (file === undefined) return pipelineConfigSchema.parse({});
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    const message = `cannot be read: ${reasonOf(error)}`;
    throw new BadFileError([{ file, line: 1, column: 1, message, text: "" }]);
  }
  const parsed = parseYaml(source, file, pipelineConfigSchema);
  if (!parsed.ok) throw new BadFileError(parsed.problems);
  return parsed.value;
}

/** What an editor needs to complete and check `weir.yaml`. */
export function pipelineJsonSchema(): unknown {
  return z.toJSONSchema(pipelineConfigSchema, { io: "input", unrepresentable: "any" });
}

/** In the units of the log's adapter. */
export function toRetention(value: { readonly maxAge: number; readonly maxMebibytes: number }) {
  return { maxAgeMs: value.maxAge / 1000, maxBytes: value.maxMebibytes * MIB };
}
