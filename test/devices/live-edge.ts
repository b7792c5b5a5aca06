import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { connectAsync } from "mqtt";
import pino from "pino";
import { expect } from "vitest";
import { startBroker } from "../../broker/broker.ts";
import { brokerConfigSchema } from "../../broker/common/config.ts";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { startIngest } from "../../ingest/ingest.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { storageConfigSchema } from "../../storage/config.ts";
import { startStorage } from "../../storage/storage.ts";

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export interface StoredReading {
  readonly device: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly metric: string;
  readonly value: number | boolean | string;
  readonly atUs: number;
}

export interface Outcome {
  readonly readings: readonly StoredReading[];
  readonly letters: readonly { readonly topic: string; readonly reason: string; readonly detail: string }[];
  /** Of the ingest, by name. Labels are left out and their values added up. */
  readonly counts: Readonly<Record<string, number>>;
  /** The receive times of the messages are within. */
  readonly sentUs: { readonly from: number; readonly until: number };
}

const PARTITIONS = 3;

/**
 * What a gateway makes of messages: a client publishes them over MQTT, one after the other; the readings are what the
 * store's file has when everything is stopped.
 */
export async function takeMessages(sources: unknown, messages: readonly Message[]): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "weir-devices-"));
  const clock = { nowUs: () => Math.round(Date.now() * 1_000) };
  const log = createMemoryLog(clock);
  const metrics = createMetrics();
  const deps = { log, clock, logger: pino({ level: "silent" }), metrics };
  const file = join(folder, "history.duckdb");
  const stored = createMetrics();
  const storage = await startStorage(storageConfigSchema.parse({ stores: [{ duckdb: { file } }] }), {
    ...deps,
    metrics: stored,
  });
  const ingest = await startIngest(ingestConfigSchema.parse({ sources }), { ...deps, partitions: PARTITIONS });
  const broker = await startBroker(brokerConfigSchema.parse({ mqtt_port: 0 }), { ...deps, gate: ingest });
  const from = clock.nowUs();
  const client = await connectAsync(`mqtt://127.0.0.1:${broker.address.mqttPort}`);
  for (const { topic, payload } of messages) await client.publishAsync(topic, Buffer.from(payload), { qos: 1 });
  await client.endAsync();
  const until = clock.nowUs();
  await broker.stop();
  await ingest.stop();
  const counts = await ingestCounts(metrics);
  const letters = await lettersOf(log);
  await expect.poll(() => storedReadings(stored), { timeout: 20_000 }).toBe(counts.readings ?? 0);
  await storage.stop();
  const readings = await readingsIn(file);
  await rm(folder, { recursive: true, force: true });
  return { readings, letters, counts, sentUs: { from, until } };
}

async function ingestCounts(metrics: ReturnType<typeof createMetrics>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const line of (await metrics.registry.metrics()).split("\n")) {
    const [, name, value] = /^weir_ingest_(\w+?)(?:_total)?(?:\{[^}]*\})? (\d+)$/.exec(line) ?? [];
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + Number(value);
  }
  return counts;
}

/** Duplicates included. */
async function storedReadings(metrics: ReturnType<typeof createMetrics>): Promise<number> {
  const lines = (await metrics.registry.metrics()).split("\n");
  const counted = lines.filter((line) =>
    /^weir_storage_(points_total\{[^}]*measurement="readings"|duplicates_total)/.test(line),
  );
  return counted.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function lettersOf(log: Log): Promise<Outcome["letters"]> {
  const { lastSequence } = await log.bounds("DEADLETTERS");
  const letters: { topic: string; reason: string; detail: string }[] = [];
  if (lastSequence === 0) return letters;
  for await (const batch of log.read({ stream: "DEADLETTERS", from: { kind: "first" } })) {
    for (const { payload } of batch) {
      const { topic, reason, detail } = decodeDeadLetter(payload);
      letters.push({ topic, reason, detail });
    }
    if (batch.at(-1)?.sequence === lastSequence) break;
  }
  return letters;
}

async function readingsIn(file: string): Promise<StoredReading[]> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const found = await connection.runAndReadAll("SELECT *, epoch_us(time)::DOUBLE AS us FROM readings");
  const readings = found.getRowObjects().map((row): StoredReading => {
    const { kind } = row;
    const value = kind === "string" ? String(row.text) : kind === "boolean" ? row.value === 1 : Number(row.value);
    const tags = JSON.parse(String(row.tags));
    return { device: String(row.device), tags, metric: String(row.metric), value, atUs: Number(row.us) };
  });
  connection.closeSync();
  instance.closeSync();
  return readings;
}
