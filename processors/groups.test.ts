import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { FrameWriter } from "../domain/frame-writer.ts";
import { partitionOf } from "../domain/partition.ts";
import type { Reading } from "../domain/reading.ts";
import { sourceSequenceOf } from "../domain/source-sequence.ts";
import { groupsSubject, readingsSubject } from "../domain/subjects.ts";
import type { WindowResult } from "../domain/window-result.ts";
import { rule } from "../engine/testing/step-kit.ts";
import { connectJetStreamLog } from "../platform/log/jetstream.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { ConflictError, type Log, LogClosedError } from "../platform/log/port.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import {
  allMessages,
  byAlertId,
  fold,
  forwarded,
  forwardedCount,
  mortalLog,
  published,
  seeded,
  startLife,
} from "./testing/runner-kit.ts";

const SECOND = 1e6;
const PARTITIONS = 3;
const POLL = { timeout: 20_000 };
const TASKS = [0, 1, 2, 3, 4, 5];
const SITES = ["north", "south", "east", "west", "up", "down"];
const DEVICES = Array.from({ length: 12 }, (_, i) => ({ device: `d${i}`, site: SITES[i % SITES.length] as string }));

function specsWith(lateness: string): RuleSpec[] {
  const window = { tumbling: "10s" };
  const series = { m: { metric: "m" }, n: { metric: "n", aggregate: "max" } };
  return [
    rule({ id: "each", window, aggregate: "max", where: { metric: "m" } }),
    rule({
      id: "site",
      window,
      aggregate: ["count", "sum", "max"],
      lateness,
      group_by: ["site"],
      where: { metric: "m" },
    }),
    rule({ id: "hot", window, aggregate: "max", when: "> 80", lateness, group_by: ["site"], where: { site: "*th" } }),
    rule({ id: "all", window, aggregate: "avg", lateness, group_by: ["metric"] }),
    rule({ id: "two", window, lateness, group_by: ["site"], let: series, when: "n == 1 && m > 50" }),
  ];
}

/** Whether a share needs a reading, derived by hand from the rules above. */
function goesTo({ metric, tags }: Reading, share: number): boolean {
  const groups = [`metric\u0001${metric}`];
  if (metric === "m" || metric === "n") groups.push(`site\u0001${tags.site}`);
  if (tags.site === "north" || tags.site === "south") groups.push(`site\u0001${tags.site}`);
  return groups.some((group) => Number(fnv1a(group) % BigInt(PARTITIONS)) === share);
}

/** FNV-1a with big integers, for ASCII. */
function fnv1a(text: string): bigint {
  let hash = 0x811c9dc5n;
  for (const char of text) hash = ((hash ^ BigInt(char.charCodeAt(0))) * 0x01000193n) & 0xffffffffn;
  return hash;
}

/** The number of readings to forward, counted once for each share. */
function wantedCount(world: World): number {
  const shares = Array.from({ length: PARTITIONS }, (_, share) => share);
  return shares.reduce((sum, share) => sum + world.written.flat().filter((each) => goesTo(each, share)).length, 0);
}

interface World {
  readonly log: Log;
  readonly random: () => number;
  nowUs: number;
  /** By partition, in the order of the log. */
  readonly written: Reading[][];
}

function newWorld(seed: number): World {
  const world = { random: seeded(seed), nowUs: 1000, written: [[], [], []] as Reading[][] };
  return Object.assign(world, { log: createMemoryLog({ nowUs: () => world.nowUs }) });
}

async function write(world: World, partition: number, readings: readonly Reading[]): Promise<void> {
  const writer = new FrameWriter();
  for (const [i, { device, metric, tags, atUs, value }] of readings.entries()) {
    const kind = typeof value === "number" ? "number" : "boolean";
    writer.add({ device, metric, tags, kind }, atUs, value, i % 5 === 4);
  }
  world.written[partition]?.push(...readings);
  await world.log.append({ subject: readingsSubject(partition), payload: writer.finish(world.nowUs) });
}

/** Readings of a partition's devices around an instant; some arrive twice. */
function someReadings(world: World, partition: number, aboutUs: number): Reading[] {
  const { random } = world;
  const devices = DEVICES.filter(({ device }) => partitionOf(device, PARTITIONS) === partition);
  return Array.from({ length: 1 + Math.floor(random() * 20) }, () => {
    const { device, site } = devices[Math.floor(random() * devices.length)] as (typeof DEVICES)[number];
    const metric = random() < 0.8 ? "m" : "n";
    const atUs = aboutUs + Math.floor(random() * 50) * (SECOND / 10);
    const value = metric === "m" ? Math.floor(random() * 100) : random() < 0.5;
    return { device, metric, tags: { site }, atUs, value };
  });
}

/** A task that dies after some operations and restarts, until it is stopped. */
function startTask(world: World, task: number, specs: readonly RuleSpec[], deathsMax: number) {
  const { random } = world;
  let stopped = false;
  let deaths = 0;
  let current: ReturnType<typeof startLife> | undefined;
  let onReady = () => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  async function live(): Promise<void> {
    while (!stopped) {
      const log = deaths < deathsMax ? mortalLog(world.log, 3 + Math.floor(random() * 60), random) : world.log;
      const checkpointMs = 1 + Math.floor(random() * 20);
      current = startLife(log, { task, partitions: PARTITIONS, specs, nowUs: () => world.nowUs, checkpointMs });
      void current.ready.then(onReady);
      try {
        await current.ended;
      } catch (error) {
        // An append that was in flight when a life ended may arrive later. The next life then starts again, as a processor does.
        if (error instanceof ConflictError && deaths > 0) continue;
        if (!(error instanceof LogClosedError)) throw error;
        deaths++;
      }
    }
  }
  const ended = live();
  return {
    ready: Promise.race([ready, ended]),
    deaths: () => deaths,
    async stop() {
      stopped = true;
      await current?.runner.stop();
      await ended;
    },
  };
}

/** All results that the shares must compute for a rule: each window of each group, by brute force over all readings. */
function bruteForce(world: World, label: (reading: Reading) => string, wants: (reading: Reading) => boolean) {
  const windows = new Map<string, number[]>();
  const seen = new Set<string>();
  for (const reading of world.written.flat()) {
    const { device, metric, atUs, value } = reading;
    const identity = `${device} ${metric} ${atUs}`;
    if (!wants(reading) || seen.has(identity)) continue;
    seen.add(identity);
    const name = `${label(reading)} ${Math.floor(atUs / (10 * SECOND)) * 10}`;
    const values = windows.get(name) ?? [];
    windows.set(name, values);
    values.push(Number(value));
  }
  return windows;
}

/** The newest revision of each window of a rule, across shares. */
async function results(log: Log, ruleId: string, label: string) {
  const newest = new Map<string, WindowResult["aggregates"]>();
  for (const task of [3, 4, 5]) {
    for (const { rule: id, labels, startUs, aggregates } of (await published(log, task)).windows) {
      if (id === ruleId) newest.set(`${labels[label]} ${startUs / SECOND}`, aggregates);
    }
  }
  return newest;
}

/** Writes readings to all partitions, and checks that the results cover all of them together. */
async function compareWithBruteForce(world: World): Promise<void> {
  const { log, random } = world;
  const tasks = TASKS.map((task) => startTask(world, task, specsWith("1h"), 4));
  await Promise.all(tasks.map(({ ready }) => ready));
  world.nowUs = 200 * SECOND; // In a group, a reading counts as observed when it was stored, at the latest.
  for (let i = 0; i < 100; i++) {
    world.nowUs += Math.floor(random() * SECOND);
    const partition = i % PARTITIONS;
    await write(world, partition, someReadings(world, partition, i * SECOND));
  }
  await expect.poll(() => forwardedCount(log), POLL).toBe(wantedCount(world));
  // Two hours later, everything before is complete.
  world.nowUs = 7200 * SECOND;
  for (const { device, site } of DEVICES) {
    const writer = new FrameWriter();
    for (const metric of ["m", "n"]) writer.add({ device, metric, tags: { site }, kind: "number" }, 7200 * SECOND, 1);
    const subject = readingsSubject(partitionOf(device, PARTITIONS));
    await log.append({ subject, payload: writer.finish(world.nowUs) });
  }
  const bySite = bruteForce(
    world,
    ({ tags }) => String(tags.site),
    ({ metric }) => metric === "m",
  );
  const byMetric = bruteForce(
    world,
    ({ metric }) => metric,
    () => true,
  );
  expect(bySite.size).toBeGreaterThan(50);
  await expect.poll(async () => (await results(log, "site", "site")).size, POLL).toBe(bySite.size);
  await expect.poll(async () => (await results(log, "all", "metric")).size, POLL).toBe(byMetric.size);
  await Promise.all(tasks.map((task) => task.stop()));

  const sites = await results(log, "site", "site");
  for (const [name, values] of bySite) {
    const sum = values.reduce((a, b) => a + b, 0);
    expect([name, sites.get(name)]).toEqual([name, { count: values.length, sum, max: Math.max(...values) }]);
  }
  const metrics = await results(log, "all", "metric");
  for (const [name, values] of byMetric) {
    expect(metrics.get(name)?.avg).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 9);
  }
}

describe("rules over several devices", { timeout: 60_000 }, () => {
  test.each(Array.from({ length: 12 }, (_, i) => i + 1))(
    "each reading is forwarded once, each result published once, even if tasks die (seed %i)",
    async (seed) => {
      const world = newWorld(seed);
      const { log, random } = world;
      const specs = specsWith("3s");
      const tasks = TASKS.map((task) => startTask(world, task, specs, 12));
      await Promise.all(tasks.map(({ ready }) => ready));
      for (let i = 0; i < 150; i++) {
        world.nowUs += Math.floor(random() * SECOND);
        const partition = Math.floor(random() * PARTITIONS);
        await write(world, partition, someReadings(world, partition, i * SECOND));
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 3));
      }
      await expect.poll(() => forwardedCount(log), POLL).toBe(wantedCount(world));
      for (const task of TASKS) {
        const expected = await fold(log, task, PARTITIONS);
        const count = async () => (await published(log, task)).windows.length;
        await expect.poll(count, POLL).toBe(expected.windows.length);
      }
      await Promise.all(tasks.map((task) => task.stop()));

      for (const [subject, readings] of await forwarded(log)) {
        const [, share, source] = subject.split(".").map(Number);
        const mine = (world.written[source as number] ?? []).filter((reading) => goesTo(reading, share as number));
        expect(readings).toEqual(mine);
      }
      for (const task of TASKS) {
        const expected = await fold(log, task, PARTITIONS);
        const actual = await published(log, task);
        expect(actual.windows).toEqual(expected.windows);
        expect(byAlertId(actual.alerts)).toEqual(byAlertId(expected.alerts));
      }
      expect((await published(log, 0)).windows.every(({ rule: id }) => id === "each")).toBe(true);
      expect(tasks.reduce((sum, { deaths }) => sum + deaths(), 0)).toBeGreaterThan(10);
    },
  );

  test("the results are those of all readings together, of every partition", async () => {
    await compareWithBruteForce(newWorld(77));
  });

  test("the results are the same with a NATS server", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "weir-groups-"));
    const logger = pino({ level: "silent" });
    const server = await launchNatsServer({ dataDir, logger });
    const kept = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
    const log = await connectJetStreamLog({
      servers: server.url,
      token: server.token,
      name: "groups",
      partitions: PARTITIONS,
      retention: { readings: kept, windows: kept, alerts: kept, deadLetters: kept },
      logger,
    });
    await compareWithBruteForce({ ...newWorld(78), log });
    await log.close();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  test("frames say how far they reach, and keep receive times and clocks that ran ahead", async () => {
    const world = newWorld(5);
    const { log } = world;
    const tasks = TASKS.map((task) => startTask(world, task, specsWith("3s"), 0));
    await Promise.all(tasks.map(({ ready }) => ready));
    world.nowUs = 5 * SECOND;
    const { device, site } = DEVICES[0] as (typeof DEVICES)[number];
    const source = partitionOf(device, PARTITIONS);
    const readings = [0, 1, 2, 3, 4, 5].map((i) => {
      return { device, metric: "m", tags: { site }, atUs: i * SECOND, value: i };
    });
    await write(world, source, readings);
    await expect.poll(() => forwardedCount(log), POLL).toBe(wantedCount(world));
    await Promise.all(tasks.map((task) => task.stop()));
    const last = await log.lastFor("READINGS", readingsSubject(source));
    const frames = new FrameReader(new SeriesTable());
    const messages = (await allMessages(log, "GROUPS")).filter(({ subject }) => !subject.endsWith("control"));
    expect(messages.length).toBeGreaterThan(0);
    for (const { subject, payload } of messages) {
      expect([0, 1, 2].map((share) => groupsSubject(share, source))).toContain(subject);
      expect(sourceSequenceOf(payload)).toBe(last?.sequence);
      expect(frames.read(payload)).toMatchObject({ kind: "readings", receivedAtUs: 5 * SECOND, clockAhead: [4] });
    }
  });

  test("partitions that catch up after a pause stay together, so nothing is late", async () => {
    const world = newWorld(11);
    const { log } = world;
    const specs = specsWith("30s");
    const first = TASKS.map((task) => startTask(world, task, specs, 0));
    await Promise.all(first.map(({ ready }) => ready));
    for (const partition of [0, 1, 2]) await write(world, partition, someReadings(world, partition, 0));
    await Promise.all(first.map((task) => task.stop()));
    // No processor runs for an hour.
    for (let i = 1; i < 360; i++) {
      world.nowUs += 10 * SECOND;
      const partition = i % PARTITIONS;
      await write(world, partition, someReadings(world, partition, i * 10 * SECOND));
    }
    const second = TASKS.map((task) => startTask(world, task, specs, 0));
    await expect.poll(() => forwardedCount(log), POLL).toBe(wantedCount(world));
    await Promise.all(second.map((task) => task.stop()));
    let aheadUs = 0;
    const newestUs = new Map<string, number>();
    const frames = new FrameReader(new SeriesTable());
    for (const { subject, payload } of await allMessages(log, "GROUPS")) {
      const entry = frames.read(payload);
      if (entry.kind !== "readings") continue;
      const share = subject.split(".")[1] ?? "";
      const times = entry.atUs.subarray(0, entry.count);
      aheadUs = Math.max(aheadUs, (newestUs.get(share) ?? 0) - Math.min(...times));
      newestUs.set(share, Math.max(newestUs.get(share) ?? 0, ...times));
    }
    expect(aheadUs).toBeLessThan(60 * SECOND);
  });

  test("two owners of one partition: one fails, and nothing is forwarded twice", async () => {
    const world = newWorld(9);
    const { log } = world;
    const options = { task: 0, partitions: PARTITIONS, nowUs: () => world.nowUs, checkpointMs: 60_000 };
    const specs = specsWith("3s").filter(({ id }) => id !== "each");
    const lives = [startLife(log, { ...options, specs })];
    await lives[0]?.ready;
    lives.push(startLife(log, { ...options, specs }));
    await lives[1]?.ready;
    const outcomes = Promise.allSettled(lives.map(({ ended }) => ended));
    for (let i = 0; i < 20; i++) {
      world.nowUs += SECOND;
      await write(world, 0, someReadings(world, 0, i * SECOND));
    }
    await Promise.all(lives.map(({ runner }) => runner.stop()));
    const errors = (await outcomes).flatMap((each) => (each.status === "rejected" ? [each.reason.name] : []));
    expect(errors).toContain("ConflictError");
    const last = startLife(log, { ...options, specs });
    await last.ready;
    await last.runner.stop();
    await last.ended;
    expect(await forwardedCount(log)).toBe(wantedCount(world));
  });

  test("a checkpoint waits until its readings are forwarded", async () => {
    const world = newWorld(10);
    const done: string[] = [];
    const { log } = world;
    const slow: Log = {
      ...log,
      async append(message) {
        const forwards = message.subject.startsWith("groups.");
        if (forwards) await new Promise((resolve) => setTimeout(resolve, 30));
        const appended = await log.append(message);
        if (forwards) done.push("forwarded");
        return appended;
      },
      records: {
        get: (name) => log.records.get(name),
        async set(name, value, revision) {
          const { sequence } = JSON.parse(new TextDecoder().decode(value));
          if (sequence === (await log.bounds("READINGS")).lastSequence) done.push("saved");
          return await log.records.set(name, value, revision);
        },
      },
    };
    const specs = specsWith("3s");
    const life = startLife(slow, { task: 0, partitions: PARTITIONS, specs, nowUs: () => world.nowUs, checkpointMs: 1 });
    await life.ready;
    await write(world, 0, someReadings(world, 0, 0));
    await expect.poll(() => done).toContain("saved");
    await life.runner.stop();
    await life.ended;
    expect(done.indexOf("saved")).toBeGreaterThan(done.lastIndexOf("forwarded"));
    expect(done).toContain("forwarded");
  });
});
