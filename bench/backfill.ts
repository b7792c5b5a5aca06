import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { encodeRuleSet, FrameWriter } from "../domain/frame-writer.ts";
import { partitionOf } from "../domain/partition.ts";
import type { Series } from "../domain/reading.ts";
import { readingsSubject } from "../domain/subjects.ts";
import { systemClock } from "../platform/clock.ts";
import { connectJetStreamLog } from "../platform/log/jetstream.ts";
import type { Log } from "../platform/log/port.ts";
import { createMetrics } from "../platform/metrics.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";
import { processorsConfigSchema } from "../processors/config.ts";
import { startProcessors } from "../processors/processors.ts";
import { loadRules } from "../rule-language/files/load-rules.ts";
import { median, printTable } from "./figures.ts";

const PARTITIONS = 4;
const DEVICES = 5_000;
const SECONDS = 1_000;
const FRAME_READINGS = 500;
const ROUNDS = 3;
const TARGET = 1e6;
const AT_ONCE = 64;

const DAY_MS = 86_400_000;
const ROOM = { maxAgeMs: DAY_MS, maxBytes: 4 * 1024 ** 3 };
const RETENTION = { readings: ROOM, windows: ROOM, alerts: ROOM, deadLetters: ROOM };

const RULES = `rules:
  - id: ten-seconds
    window: { tumbling: 10s }
    aggregate: [avg, min, max]
`;

/** Processes a real log until it has caught up: reads, decodes, steps, publishes the results. */
export async function benchBackfill(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "weir-backfill-"));
  const logger = pino({ level: "error" });
  const rates: number[] = [];
  try {
    await writeFile(join(folder, "rules.yaml"), RULES);
    for (let round = 0; round < ROUNDS; round++) {
      const dataDir = join(folder, `nats-${round}`);
      const server = await launchNatsServer({ dataDir, logger });
      const log = await connectJetStreamLog({
        servers: server.url,
        token: server.token,
        name: "backfill",
        logger,
        partitions: PARTITIONS,
        retention: RETENTION,
        knownDurability: server.durability,
      });
      try {
        await fill(log, folder);
        rates.push(await catchUp(log, folder));
      } finally {
        await log.close();
        await server.stop();
        await rm(dataDir, { recursive: true, force: true });
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const rate = median(rates);
  process.stdout.write(
    `\nBackfill: ${((DEVICES * SECONDS) / 1e6).toFixed(0)} M readings of ${DEVICES} sensors in ${PARTITIONS} partitions, one rule (median of ${ROUNDS})\n`,
  );
  printTable([
    ["", "M readings/s", "target"],
    ["one processor on a real NATS server", (rate / 1e6).toFixed(2), (TARGET / 1e6).toFixed(2)],
  ]);
  return rate >= TARGET;
}

/** The rules first, then readings: one per sensor and second. */
async function fill(log: Log, rulesDir: string): Promise<void> {
  const { specs, version } = await loadRules(rulesDir);
  const payload = encodeRuleSet({ version, rulesJson: JSON.stringify(specs) });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await log.append({ subject: readingsSubject(partition), payload });
  }
  const fleet = Array.from({ length: DEVICES }, (_, i): Series => {
    return { device: `device-${i}`, metric: "temperature", tags: { site: `site-${i % 10}` }, kind: "number" };
  });
  const parts = fleet.map(({ device }) => partitionOf(device, PARTITIONS));
  const writers = Array.from({ length: PARTITIONS }, () => new FrameWriter());
  const beginUs = systemClock.nowUs() - SECONDS * 1e6;
  let sending: Promise<unknown>[] = [];
  for (let i = 0; i < DEVICES * SECONDS; i++) {
    const atUs = beginUs + Math.floor(i / DEVICES) * 1e6 + (i % DEVICES) * 100;
    const partition = parts[i % DEVICES] as number;
    const writer = writers[partition] as FrameWriter;
    writer.add(fleet[i % DEVICES] as Series, atUs, 20 + ((i * 7919) % 1000) / 100);
    if (writer.count < FRAME_READINGS) continue;
    sending.push(log.append({ subject: readingsSubject(partition), payload: writer.finish(atUs) }));
    if (sending.length < AT_ONCE) continue;
    await Promise.all(sending);
    sending = [];
  }
  await Promise.all(sending);
}

/** Readings per second, from the start of the processor until the log has all its results. */
async function catchUp(log: Log, rulesDir: string): Promise<number> {
  const config = processorsConfigSchema.parse({ rules_dir: rulesDir });
  const deps = { log, clock: systemClock, logger: pino({ level: "error" }), metrics: createMetrics() };
  const startedMs = performance.now();
  const processors = await startProcessors(config, { ...deps, partitions: PARTITIONS });
  await processors.stop();
  const seconds = (performance.now() - startedMs) / 1000;
  const { messages } = await log.bounds("WINDOWS");
  if (messages === 0) throw new Error("no result was published: nothing was measured");
  return (DEVICES * SECONDS) / seconds;
}
