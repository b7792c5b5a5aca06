import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { pino } from "pino";
import { expect, vi } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import { partitionOf } from "../../domain/partition.ts";
import type { Reading } from "../../domain/reading.ts";
import { encodeEntry } from "../../engine/testing/step-kit.ts";
import { systemClock } from "../../platform/clock.ts";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { processorsConfigSchema } from "../../processors/config.ts";
import { startProcessors } from "../../processors/processors.ts";
import { foldedResults, publishedResults } from "../../processors/testing/folded-log.ts";
import { seeded } from "../../processors/testing/runner-kit.ts";
import { STORED_STREAMS } from "../../storage/common/store.ts";
import { storageConfigSchema } from "../../storage/config.ts";
import { startStorage } from "../../storage/storage.ts";
import { addRulesBacktestCommands } from "../commands/rules/rules-backtest.ts";

const PARTITIONS = 2;
const WAIT = { timeout: 60_000, interval: 100 };
export const SECOND_US = 1e6;
export const START_US = Date.UTC(2026, 0, 5) * 1000;
const SECONDS = 1_800;

/** Rules on readings in order: a store or a file has everything about them that the log has. */
export const TIDY = `
rules:
  - { id: avg, where: { metric: m }, window: { tumbling: 30s }, aggregate: avg, when: "> 55", lateness: 5s }
  - { id: waits, where: { metric: m }, window: { tumbling: 20s }, aggregate: max, when: "> 80", clear: "< 75", for: 40s, keep_firing_for: 20s }
  - { id: hop, where: { metric: m }, window: { hopping: 60s, every: 10s }, aggregate: p90, when: "> 90" }
  - { id: slide, where: { metric: m }, window: { sliding: 30s }, aggregate: stddev, when: "> 12.5", lateness: 2s }
  - { id: sessions, where: { metric: m }, window: { session: 2s }, aggregate: range, when: "> 45" }
  - { id: twenty, where: { metric: m }, window: { count: 20 }, aggregate: delta, when: "> 50", lateness: 3s }
  - { id: held, where: { metric: m }, window: { tumbling: 15s }, fill: last, aggregate: last, when: "> 85" }
  - { id: states, where: { metric: door }, window: { tumbling: 60s }, aggregate: duration(open), when: "> 35" }
  - { id: base, where: { metric: m }, window: { tumbling: 10s }, aggregate: avg, when: "> 60" }
  - { id: shadow, shadow: true, where: { metric: m }, window: { tumbling: 10s }, aggregate: avg, when: "> 66" }
`;
/** CSV files have no booleans. */
export const BOOLEANS = `
rules:
  - { id: running, where: { metric: on }, window: { tumbling: 60s }, aggregate: avg, when: "> 0.5" }
`;
/** Rules that depend on the time and order of arrival, which only the log has. */
export const ORDERED = `
rules:
  - { id: late, where: { metric: x }, window: { tumbling: 20s }, aggregate: avg, when: "> 60", lateness: 3s }
  - { id: dropped, where: { metric: x }, window: { sliding: 20s }, aggregate: max, when: "> 95", late: drop }
  - { id: site, where: { metric: x }, group_by: [site], window: { tumbling: 20s }, aggregate: [avg, count], when: "> 55", lateness: 5s }
  - { id: everybody, where: { metric: x }, group_by: [metric], window: { hopping: 40s, every: 20s }, aggregate: max, when: "> 108" }
  - { id: silent, where: { device: quiet }, group_by: [device], absent: 1s }
`;

const silent = pino({ level: "silent" });

/** Shared by the tests of back-tests: a NATS server on which processors have published all results. */
export interface LiveRun {
  /** Contains `rules/`, the rule files one by one, and `history.duckdb`. */
  readonly folder: string;
  readonly published: readonly AlertChange[];
  /** Runs `weir rules ...` here; resolves to its report. */
  rules(...args: readonly string[]): Promise<string>;
  /** Starts a storage service; resolves, once everything is stored, to a function that stops it. */
  store(config?: object): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export async function playLive(tidy: readonly Reading[]): Promise<LiveRun> {
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0)) await step();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "weir-backtest-"));
    undo.unshift(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, "rules"));
    for (const [name, text] of Object.entries({ tidy: TIDY, booleans: BOOLEANS, ordered: ORDERED })) {
      await writeFile(join(folder, `${name}.yaml`), text);
      await writeFile(join(folder, "rules", `${name}.yaml`), text);
    }
    const server = await launchNatsServer({ dataDir: join(folder, "nats"), logger: silent });
    undo.unshift(() => server.stop());
    const log = await connect(server);
    undo.unshift(() => log.close());
    const processors = await startProcessors(
      processorsConfigSchema.parse({ rules_dir: join(folder, "rules"), tick: "100ms", checkpoint: "10m" }),
      { ...depsOf(log), partitions: PARTITIONS },
    );
    undo.unshift(() => processors.stop());
    for (let i = 0; i < tidy.length; i += 200) await append(log, tidy.slice(i, i + 200));
    await playOrdered(log);
    await playSilence(log);
    const [published, expected] = [() => publishedResults(log, PARTITIONS), () => foldedResults(log, PARTITIONS)];
    await vi.waitFor(
      async () => expect((await published()).alerts.length).toBe((await expected()).alerts.length),
      WAIT,
    );
    // No more ticks, so the results no longer change.
    await processors.stop();
    const reach = ["--nats-url", server.url, "--nats-token", server.token];
    return {
      folder,
      published: (await published()).alerts,
      rules: (...args) => runRules(join(folder, "report"), [...args, ...reach]),
      store: (config = {}) => store(log, { stores: [{ duckdb: { file: join(folder, "history.duckdb") } }], ...config }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function runRules(output: string, args: readonly string[]): Promise<string> {
  const program = new Command("rules").exitOverride().configureOutput({ writeErr: () => {} });
  addRulesBacktestCommands(program);
  await program.parseAsync([...args, "--output", output], { from: "user" });
  return readFile(output, "utf8");
}

async function connect({ url, token }: { readonly url: string; readonly token: string }): Promise<Log> {
  const one = { maxAgeMs: 3_600_000, maxBytes: 2 ** 28 };
  const retention = { readings: one, windows: one, alerts: one, deadLetters: one };
  return connectJetStreamLog({ servers: url, token, name: "test", partitions: PARTITIONS, retention, logger: silent });
}

function depsOf(log: Log) {
  return { clock: systemClock, logger: silent, metrics: createMetrics(), log };
}

async function store(log: Log, config: object): Promise<() => Promise<void>> {
  const deps = depsOf(log);
  const storage = await startStorage(storageConfigSchema.parse({ linger: "20ms", ...config }), deps);
  await vi.waitFor(async () => {
    const lag = await deps.metrics.registry.getSingleMetric("weir_storage_lag_messages")?.get();
    expect(lag?.values.length).toBe(STORED_STREAMS.length);
    expect(lag?.values.every(({ value }) => value === 0)).toBe(true);
  }, WAIT);
  return () => storage.stop();
}

/**
 * Half an hour of four devices in order, with some seconds missing. Each has two more readings, an hour and two hours
 * later: every alert has ended by the last but one, so an idle clock has nothing left to end.
 */
export function tidyReadings(): Reading[] {
  const random = seeded(11);
  const readings: Reading[] = [];
  for (let second = 0; second < SECONDS; second++) {
    const atUs = START_US + second * SECOND_US;
    for (const device of ["d1", "d2", "d3", "d4"]) {
      if (random() < 0.1 || (device === "d3" && Math.floor(second / 100) % 5 === 4)) continue;
      const tags = { site: "replay" };
      const value = 50 + 40 * Math.sin(second / 90 + Number(device[1])) + (random() - 0.5) * 40;
      readings.push({ device, metric: "m", tags, atUs, value: Math.round(value * 1e6) / 1e6 });
      if (random() < 0.1)
        readings.push({ device, metric: "door", tags, atUs, value: random() < 0.5 ? "open" : "shut" });
      if (random() < 0.2) readings.push({ device, metric: "on", tags, atUs, value: Math.sin(second / 200) > 0 });
    }
  }
  for (const hours of [1, 2]) {
    const atUs = START_US + hours * 3_600 * SECOND_US;
    for (const device of ["d1", "d2", "d3", "d4"]) {
      const of = { device, tags: { site: "replay" }, atUs };
      readings.push({ ...of, metric: "m", value: 0 }, { ...of, metric: "door", value: "shut" });
      readings.push({ ...of, metric: "on", value: false });
    }
  }
  return readings;
}

async function append(log: Log, readings: readonly Reading[]): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = readings.filter(({ device }) => partitionOf(device, PARTITIONS) === partition);
    if (own.length === 0) continue;
    const payload = encodeEntry({ kind: "readings", storedAtUs: systemClock.nowUs(), readings: own });
    await log.append({ subject: `readings.${partition}`, payload });
  }
}

/** Ten minutes of six devices: readings up to half a minute late, some twice. */
async function playOrdered(log: Log): Promise<void> {
  const random = seeded(13);
  const arrivals: { readonly arrives: number; readonly reading: Reading }[] = [];
  for (let second = 0; second < 600; second++) {
    for (let device = 1; device <= 6; device++) {
      const value = 50 + 30 * Math.sin(second / 60 + device) + (random() - 0.5) * 60;
      const tags = { site: device < 4 ? "north" : "south" };
      const reading = { device: `x${device}`, metric: "x", tags, atUs: START_US + second * SECOND_US, value };
      const late = random() < 0.2 ? random() * 30 : random();
      for (let copy = random() < 0.05 ? 2 : 1; copy > 0; copy--)
        arrivals.push({ arrives: second + late + copy, reading });
    }
  }
  arrivals.sort((a, b) => a.arrives - b.arrives);
  for (let i = 0; i < arrivals.length; i += 20)
    await append(
      log,
      arrivals.slice(i, i + 20).map(({ reading }) => reading),
    );
}

async function playSilence(log: Log): Promise<void> {
  const sign = (): Reading => ({ device: "quiet", metric: "q", tags: {}, atUs: systemClock.nowUs(), value: 1 });
  const states = async () =>
    (await publishedResults(log, PARTITIONS)).alerts.filter(({ rule }) => rule === "silent").map(({ state }) => state);
  await append(log, [sign()]);
  await vi.waitFor(async () => expect(await states()).toEqual(["firing"]), WAIT);
  await append(log, [sign()]);
  await vi.waitFor(async () => expect(await states()).toEqual(["firing", "resolved"]), WAIT);
}
