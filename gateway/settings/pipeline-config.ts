import { readFileSync } from "node:fs";
import { z } from "zod";
import { bridgesConfigSchema } from "../../bridge/common/config.ts";
import { brokerConfigSchema } from "../../broker/common/config.ts";
import { feedConfigSchema } from "../../dashboard-feed/common/config.ts";
import { reasonOf } from "../../domain/reason.ts";
import { US_PER_MS } from "../../domain/time.ts";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { notifierConfigSchema } from "../../notifier/config.ts";
import { jsonSchemaOf } from "../../platform/files/known-keys.ts";
import { durationField, sizeField } from "../../platform/files/schemas.ts";
import { addressSchema, secretEnv, secretFile } from "../../platform/files/secret-values.ts";
import { BadFileError, parseYaml } from "../../platform/files/yaml-file.ts";
import { openYaml } from "../../platform/files/yaml-source.ts";
import { processorsConfigSchema } from "../../processors/config.ts";
import { storageFields } from "../../storage/config.ts";
import { STORE_NAMES, storeEntrySchema } from "../../storage/stores.ts";
import { renamedKeysIn, SECRET_PATHS } from "./old-keys.ts";

function retention(age: string, size: string, what: string) {
  return z
    .strictObject({
      max_age: durationField("1m", "3650d").prefault(age).describe("How long messages are kept."),
      max_size: sizeField("16MiB", "1024TiB")
        .prefault(size)
        .describe("How much is kept; the oldest is deleted first. A small disk gets less."),
    })
    .prefault({})
    .describe(what);
}

const natsSchema = z
  .strictObject({
    url: addressSchema({
      protocols: ["nats", "tls", "ws", "wss"],
      example: "nats://127.0.0.1:4222",
      instead: "token_env or token_file",
    })
      .optional()
      .describe("Address of a NATS server with JetStream. Left out: Weir starts one."),
    token_env: secretEnv("the server's token"),
    token_file: secretFile("the server's token"),
  })
  .refine(atMostOneToken, { error: "give either token_env or token_file" });

/** Each store reads the whole log. */
const STORES_MAX = 4;

/** `weir.yaml`. Settings that differ between processes (ports, folders) are flags or variables: settings.ts. */
export const pipelineConfigSchema = z.strictObject({
  partitions: z
    .int()
    .min(1)
    .max(256)
    .default(4)
    .describe(
      "Partitions of the readings log. Up to twice as many processors share the work. Fixed as soon as the log holds data.",
    ),
  sources: ingestConfigSchema.shape.sources,
  clock: ingestConfigSchema.shape.clock,
  ingest: ingestConfigSchema
    .pick({ frame: true, limits: true, sparkplug: true })
    .prefault({})
    .describe("How messages become entries of the log."),
  broker: brokerConfigSchema
    .omit({ bind: true, mqtt_port: true, ws_port: true })
    .prefault({})
    .describe("The MQTT broker that devices connect to. Its ports are flags: `weir up --help`."),
  bridges: bridgesConfigSchema
    .default([])
    .describe(
      "Other MQTT brokers whose messages Weir takes, or which get messages of Weir's broker. docs/bridges.md explains them.",
    ),
  processors: processorsConfigSchema
    .omit({ rules_dir: true })
    .prefault({})
    .describe("The processors, which compute windows and alerts."),
  storage: z
    .strictObject({
      ...storageFields,
      stores: z
        .array(storeEntrySchema())
        .refine((stores) => stores.length > 0, {
          error: "Weir writes to one store at least",
          params: { help: `write an entry: ${STORE_NAMES.join(" or ")}` },
        })
        .refine((stores) => stores.length <= STORES_MAX, { error: `at most ${STORES_MAX} stores` })
        .prefault([{ duckdb: {} }])
        .describe(
          `Where results are stored: each entry is ${STORE_NAMES.map((name) => `\`${name}\``).join(" or ")}. ` +
            "With several entries, each store gets everything; the first one answers questions about the past.",
        ),
    })
    .prefault({})
    .describe("The store of readings, windows and alerts."),
  notifier: notifierConfigSchema.prefault({}).describe("Who is notified of alerts, and how."),
  feed: z
    .strictObject({
      tokens: feedConfigSchema.shape.tokens,
      allowed_origins: feedConfigSchema.shape.allowed_origins,
      limits: feedConfigSchema.shape.limits,
      history: feedConfigSchema.shape.history,
    })
    .prefault({})
    .describe("The page, its feed and the HTTP API."),
  nats: natsSchema.prefault({}).describe("The NATS server that holds the log. WEIR_NATS_URL and WEIR_NATS_TOKEN win."),
  log: z
    .strictObject({
      replicas: z.int().min(1).max(5).default(1).describe("Copies of each stream in a NATS cluster."),
      readings: retention("24h", "10GiB", "Readings."),
      windows: retention("24h", "2GiB", "Window results."),
      alerts: retention("365d", "1GiB", "Alert changes."),
      dead_letters: retention("30d", "1GiB", "Messages that could not be read."),
      notifications: retention("365d", "256MiB", "Notifications, acknowledgements and silences."),
      bridges: retention("7d", "256MiB", "Messages that wait to go out by a bridge."),
      disk_reserve: sizeField("1MiB", "1024TiB")
        .optional()
        .describe(
          "With its own NATS server: while the disk of the data folder has less free space than this, publishes wait for their acknowledgement, so that states and results can still be stored. They go on when a quarter more is free. Left out: 200MiB, or a tenth of the disk if that is less.",
        ),
    })
    .prefault({})
    .describe(
      "What the log keeps. `weir up` with its own NATS server brings the log's streams to these settings when it starts, but deletes no message: it keeps a limit that would, and warns. On a shared server, a start creates the streams that are missing and warns of those that differ. `weir log show` lists the streams; `weir log apply` shows what would change and be deleted, and `weir log apply --yes` does it. With its own server, Weir uses at most three fifths of the free disk: on a smaller disk, all streams shrink in proportion; the first start needs 190 MiB free.",
    ),
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
  return parsePipelineConfig(source, file);
}

/** The configuration in a file's text. Throws BadFileError. */
export function parsePipelineConfig(source: string, file: string): PipelineConfig {
  const renamed = renamedKeysIn(openYaml(source).value);
  const parsed = parseYaml(source, file, pipelineConfigSchema, { renamed, secrets: SECRET_PATHS });
  if (!parsed.ok) throw new BadFileError(parsed.problems);
  return parsed.value;
}

/** The schema with which an editor completes and checks `weir.yaml`. */
export function pipelineJsonSchema(): unknown {
  return jsonSchemaOf(pipelineConfigSchema);
}

/** In the units of the log's adapter. */
export function toRetention(value: { readonly max_age: number; readonly max_size: number }) {
  return { maxAgeMs: value.max_age / US_PER_MS, maxBytes: value.max_size };
}

function atMostOneToken(places: { readonly token_env?: string | undefined; readonly token_file?: string | undefined }) {
  return places.token_env === undefined || places.token_file === undefined;
}
