import pino from "pino";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { FORMATS } from "../../ingest/formats/formats.ts";
import { startIngest } from "../../ingest/ingest.ts";
import { PRESET_NAMES } from "../../ingest/presets/presets.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics, type Metrics } from "../../platform/metrics.ts";
import { FAMILIES, type Message, messagesOf } from "../devices/family.ts";
import { Random } from "../simulation/random.ts";
import { mutate } from "./mutate.ts";
import { targetsWithSchema } from "./schema-targets.ts";

export interface FuzzReport {
  readonly messages: number;
  readonly readings: number;
  readonly stored: number;
  readonly deadLettered: number;
  readonly dropped: number;
  /** Processor time of the slowest message, in milliseconds. */
  readonly slowestMs: number;
  readonly slowest: string;
  /** Everything that must not be: empty if all is well. */
  readonly faults: readonly string[];
}

/** Sources, and messages that they read. */
interface Target {
  readonly name: string;
  readonly sources: unknown;
  readonly messages: readonly Message[];
  readonly prepare?: (log: Log) => Promise<void>;
}

const MESSAGE_MS_MAX = 50;
/** Messages of one target in a row. */
const STRETCH = 200;

/** Sends mutated messages to an ingest for each preset, each family of devices and each format, in turn. */
export async function fuzz({
  messages,
  seed,
}: {
  readonly messages: number;
  readonly seed: number;
}): Promise<FuzzReport> {
  const random = new Random(seed);
  const targets = targetsOf();
  const all = targets.flatMap((target) => target.messages);
  const runs = await Promise.all(targets.map(startTarget));
  const faults: string[] = [];
  let [slowestMs, slowest, sent] = [0, "", 0];
  while (sent < messages && faults.length === 0) {
    const run = random.pick(runs);
    const kept: Promise<void>[] = [];
    for (let i = 0; i < STRETCH && sent < messages; i++) {
      const message = mutate(random.pick(run.target.messages), all, random);
      const ms = run.send(message, { kept, faults });
      sent++;
      if (ms > slowestMs) {
        slowestMs = ms;
        slowest = `${run.target.name}: ${message.topic} ${Buffer.from(message.payload).toString("base64").slice(0, 4_000)}`;
      }
    }
    await Promise.all(kept);
  }
  if (slowestMs > MESSAGE_MS_MAX) faults.push(`a message took ${slowestMs.toFixed(1)} ms: ${slowest}`);
  const sums = { messages: 0, readings: 0, stored: 0, deadLettered: 0, dropped: 0 };
  for (const run of runs) {
    await run.ingest.stop();
    const counts = await run.counts();
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    const out = counts.stored + counts.deadLettered + counts.dropped;
    if (counts.messages !== run.sent() || out !== counts.messages) {
      faults.push(`${run.target.name}: ${run.sent()} messages sent, ${counts.messages} in, ${out} out`);
    }
  }
  return { ...sums, slowestMs, slowest, faults };
}

function targetsOf(): Target[] {
  const cases = FAMILIES.flatMap((family) => family.cases.map((one) => ({ one, family })));
  const messages = cases.flatMap(({ one }) => messagesOf(one));
  const presets = PRESET_NAMES.map((use) => {
    const own = cases.filter(({ one }) => JSON.stringify(one.sources ?? []).includes(`"use":"${use}"`));
    return { name: `preset ${use}`, sources: [{ use }], messages: own.flatMap(({ one }) => messagesOf(one)) };
  });
  const formats = Object.entries(FORMATS).map(([format, { example }]) => ({
    name: `format ${format}`,
    sources: [{ topic: "f/{device}/{metric}", format, metric: "{metric}.{field}" }],
    messages: [
      { topic: "f/d/m", payload: Buffer.from(example.payload) },
      ...messages.map(({ payload }) => ({ topic: "f/d/m", payload })),
    ],
  }));
  const families = cases.map(({ one, family }) => ({
    name: `${family.name}: ${one.what}`,
    sources: one.sources,
    messages: messagesOf(one),
  }));
  return [...presets, ...formats, ...targetsWithSchema(), ...families].filter(
    (target) => target.messages.length > 0 && isValid(target.sources),
  );
}

/** Formats that need a schema have targets with one. */
function isValid(sources: unknown): boolean {
  return ingestConfigSchema.safeParse({ sources }).success;
}

async function startTarget(target: Target) {
  const clock = { nowUs: () => Date.now() * 1_000 };
  const log = { ...createMemoryLog(clock), append: async () => ({ sequence: 1, duplicate: false }) };
  await target.prepare?.(log);
  const metrics = createMetrics();
  const config = ingestConfigSchema.parse({ sources: target.sources });
  const logger = pino({ level: "silent" });
  const ingest = await startIngest(config, { log, clock, partitions: 3, logger, metrics });
  let sent = 0;
  return {
    target,
    ingest,
    sent: () => sent,
    counts: () => countsOf(metrics),
    /** The processor time of one message, in milliseconds. Its acknowledgement is in `kept`. */
    send({ topic, payload }: Message, { kept, faults }: { kept: Promise<void>[]; faults: string[] }): number {
      sent++;
      const place = `${target.name}: ${topic}`;
      const receivedAtUs = clock.nowUs();
      const started = process.cpuUsage();
      kept.push(
        new Promise((resolve) => {
          ingest.accept({ topic, payload, qos: 1, retain: false, clientId: "fuzz", receivedAtUs }, (error) => {
            if (error !== undefined) faults.push(`${place}: not acknowledged: ${error.stack}`);
            resolve();
          });
        }),
      );
      const { user, system } = process.cpuUsage(started);
      return (user + system) / 1_000;
    },
  };
}

async function countsOf({ registry }: Metrics) {
  const value = async (name: string) => {
    const metric = await registry.getSingleMetric(`weir_ingest_${name}_total`)?.get();
    return (metric?.values ?? []).reduce((sum, each) => sum + each.value, 0);
  };
  return {
    messages: await value("messages"),
    readings: await value("readings"),
    stored: await value("stored"),
    deadLettered: await value("dead_letters"),
    dropped: await value("dropped"),
  };
}
