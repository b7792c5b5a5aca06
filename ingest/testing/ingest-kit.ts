import pino from "pino";
import { INGEST_LEDGER } from "../../contracts/device-ledgers.ts";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import { createMetrics, type Metrics } from "../../platform/metrics.ts";
import { ingestConfigSchema } from "../common/config.ts";
import { type Ingest, startIngest } from "../ingest.ts";

// An ingest on a log in memory. Each test file has one of its own.

export const NOW = 1_763_769_600_000_000;
export const PARTITIONS = 4;
export let log: Log;
export let ingest: Ingest;
export let metrics: Metrics;

export async function start(
  over: Partial<Log> = {},
  config: Record<string, unknown> = {},
  payloadBytesMax?: number,
): Promise<void> {
  log = createMemoryLog({ nowUs: () => NOW, ...(payloadBytesMax === undefined ? {} : { payloadBytesMax }) });
  await startOnLog(over, config);
}

export async function startOnLog(over: Partial<Log> = {}, config: Record<string, unknown> = {}): Promise<void> {
  metrics = createMetrics();
  ingest = await startIngest(ingestConfigSchema.parse(config), {
    log: { ...log, ...over },
    partitions: PARTITIONS,
    clock: { nowUs: () => NOW },
    logger: pino({ level: "silent" }),
    metrics,
  });
}

export function publish(topic: string, payload: string | Uint8Array): Promise<Error | undefined> {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return new Promise((resolve) => {
    const message = { topic, payload: bytes, qos: 1, retain: false, clientId: "c", receivedAtUs: NOW } as const;
    ingest.accept(message, resolve);
  });
}

export async function messages(stream: StreamName): Promise<LogMessage[]> {
  const { lastSequence } = await log.bounds(stream);
  const all: LogMessage[] = [];
  if (lastSequence === 0) return all;
  for await (const batch of log.read({ stream, from: { kind: "first" } })) {
    all.push(...batch);
    if (all.at(-1)?.sequence === lastSequence) break;
  }
  return all;
}

export async function readings() {
  const reader = new FrameReader(new SeriesTable());
  const all = [];
  for (const { subject, payload } of await messages("READINGS")) {
    const entry = reader.read(payload);
    if (entry.kind !== "readings") continue;
    for (let i = 0; i < entry.count; i++) {
      const { device, metric, tags } = reader.table.series(entry.seriesId[i] as number);
      const clockAhead = entry.clockAhead.includes(i);
      all.push({ subject, device, metric, tags, atUs: entry.atUs[i], value: entry.values[i], clockAhead });
    }
  }
  return all;
}

export async function deadLetters() {
  return (await messages("DEADLETTERS")).map(({ subject, payload }) => ({
    subject,
    letter: decodeDeadLetter(payload),
  }));
}

export const NO_COUNTS = {
  messages: 0,
  stored: 0,
  deadLettered: 0,
  dropped: 0,
  readings: 0,
  clockAhead: 0,
  clockBehind: 0,
};

export async function countsOf(device: string) {
  const entries = (await log.bus.request(INGEST_LEDGER, undefined)) satisfies readonly {
    device: string;
    counts: typeof NO_COUNTS;
  }[];
  return entries.find((entry) => entry.device === device)?.counts;
}

/** Device, metric and value of each stored reading, in the order of the partitions' entries. */
export async function storedValues(): Promise<(readonly [device: string, metric: string, value: ReadingValue])[]> {
  const reader = new FrameReader(new SeriesTable());
  const all: (readonly [string, string, ReadingValue])[] = [];
  for (const { payload } of await messages("READINGS")) {
    const entry = reader.read(payload);
    if (entry.kind !== "readings") continue;
    for (let i = 0; i < entry.count; i++) {
      const { device, metric, kind } = reader.table.series(entry.seriesId[i] as number);
      const value = entry.values[i] as number;
      const values = { number: value, boolean: value === 1, string: entry.texts[value] ?? "" };
      all.push([device, metric, values[kind]]);
    }
  }
  return all;
}
