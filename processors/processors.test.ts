import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EXPLAIN_RULES } from "../contracts/explanations.ts";
import { encodeEntry, reading } from "../engine/testing/step-kit.ts";
import { systemClock } from "../platform/clock.ts";
import { BadFileError } from "../platform/files/yaml-file.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log, LogReader } from "../platform/log/port.ts";
import { createMetrics } from "../platform/metrics.ts";
import { processorsConfigSchema } from "./config.ts";
import { startProcessors } from "./processors.ts";
import { countWindows, foldedResults, publishedResults } from "./testing/folded-log.ts";

const PARTITIONS = 4;
const TASKS = 2 * PARTITIONS;
const HALVES = [TASKS / 2, TASKS / 2];
/** So long that a test that waits for it fails. */
const ENDLESS_MS = 600_000;
const SHORT_MS = 1_000;
const SECOND_US = 1e6;
const WAIT = { timeout: 20_000, interval: 20 };
const RULES = `
rules:
  - id: all
    where: { metric: m }
    window: { tumbling: 10s }
    aggregate: [count, max]
  - id: high
    where: { metric: m }
    window: { tumbling: 5s }
    aggregate: max
    when: "> 50"
  - id: site
    where: { metric: m }
    group_by: [site]
    window: { tumbling: 10s }
    aggregate: count
    lateness: 2h
`;
const undo: (() => Promise<unknown>)[] = [];
let rulesDir = "";
let log: Log;
let fed = 0;

beforeEach(async () => {
  rulesDir = await mkdtemp(join(tmpdir(), "weir-rules-"));
  undo.push(() => rm(rulesDir, { recursive: true, force: true }));
  await writeFile(join(rulesDir, "all.yaml"), RULES);
  log = createMemoryLog({ nowUs: systemClock.nowUs });
  undo.push(() => log.close());
  fed = 0;
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(options: { log?: Log; leaseMs: number; member?: string }) {
  const metrics = createMetrics();
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line) => lines.push(line) });
  const times = { tick: "50ms", checkpoint: "100ms", lease: `${options.leaseMs}ms` };
  const config = processorsConfigSchema.parse({ rules_dir: rulesDir, ...times });
  const member = options.member === undefined ? {} : { member: options.member };
  const deps = { clock: systemClock, logger, log: options.log ?? log, metrics, partitions: PARTITIONS, ...member };
  const service = await startProcessors(config, deps);
  undo.push(() => service.stop());
  const figure = async (name: string) => {
    const [value] = (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
    return value?.value ?? 0;
  };
  const keysReported = async () =>
    (await metrics.registry.getSingleMetric("weir_processor_keys")?.get())?.values.length;
  return { service, lines, figure, keysReported, owned: () => figure("weir_processor_owned_tasks") };
}

/** Readings of one device in each partition, some of them high. */
async function feed(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++, fed++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const value = Math.floor(fed / 5) % 2 === 0 ? 10 : 60 + partition;
      const readings = [reading(`d${partition}`, fed * 2 * SECOND_US, value)];
      const payload = encodeEntry({ kind: "readings", storedAtUs: 0, readings });
      await log.append({ subject: `readings.${partition}`, payload });
    }
  }
}

/** Each result exists, exactly once. */
async function expectAllOnce(): Promise<void> {
  const expected = await foldedResults(log, PARTITIONS);
  expect(countWindows(expected)).toBeGreaterThan(fed * PARTITIONS * 0.3);
  expect(expected.alerts.length).toBeGreaterThan(PARTITIONS);
  await expect
    .poll(async () => countWindows(await publishedResults(log, PARTITIONS)), WAIT)
    .toBe(countWindows(expected));
  await expect
    .poll(async () => (await publishedResults(log, PARTITIONS)).alerts.length, WAIT)
    .toBe(expected.alerts.length);
  expect(await publishedResults(log, PARTITIONS)).toEqual(expected);
}

/** A log that does not answer while it is frozen, as a stopped process would see it. */
function freezable(inner: Log) {
  let thawed = Promise.resolve();
  let thaw = () => {};
  async function gate<T>(call: () => Promise<T>): Promise<T> {
    await thawed;
    const result = await call();
    await thawed;
    return result;
  }
  function reading(reader: LogReader): LogReader {
    async function* batches() {
      for await (const batch of reader) {
        await thawed;
        yield batch;
      }
    }
    const iterator = batches();
    return { [Symbol.asyncIterator]: () => iterator, close: () => reader.close() };
  }
  const frozen: Log = {
    ...inner,
    append: (message) => gate(() => inner.append(message)),
    appendAll: (messages) => gate(() => inner.appendAll(messages)),
    lastFor: (stream, subject) => gate(() => inner.lastFor(stream, subject)),
    read: (query) => reading(inner.read(query)),
    records: {
      get: (name) => gate(() => inner.records.get(name)),
      set: (name, value, revision) => gate(() => inner.records.set(name, value, revision)),
    },
    blobs: {
      get: (name) => gate(() => inner.blobs.get(name)),
      put: (name, value) => gate(() => inner.blobs.put(name, value)),
      delete: (name) => gate(() => inner.blobs.delete(name)),
    },
  };
  return {
    log: frozen,
    freeze() {
      thawed = new Promise((resolve) => {
        thaw = resolve;
      });
      undo.push(async () => thaw());
    },
    thaw: () => thaw(),
  };
}

test("a single processor owns everything at once, even after another one left", async () => {
  const one = await start({ leaseMs: ENDLESS_MS });
  expect(await one.owned()).toBe(TASKS);
  expect(one.service.health()).toEqual({ ready: true, detail: `owns ${TASKS} tasks` });
  await feed(20);
  await one.service.stop();
  await one.service.stop();
  const two = await start({ leaseMs: ENDLESS_MS });
  expect(await two.owned()).toBe(TASKS);
  expect(await two.figure("weir_processor_takeovers_total")).toBe(0);
  await expectAllOnce();
});

test("two share the work while readings arrive; when one leaves, the other continues with everything", async () => {
  const one = await start({ leaseMs: ENDLESS_MS });
  await feed(20);
  const two = await start({ leaseMs: ENDLESS_MS });
  await expect.poll(async () => [await one.owned(), await two.owned()], WAIT).toEqual(HALVES);
  await feed(20);
  await expectAllOnce();
  // Only a task's owner reports its figures.
  for (const each of [one, two]) expect(await each.keysReported()).toBeLessThanOrEqual(TASKS / 2);
  await feed(10);
  await one.service.stop();
  await expect.poll(two.owned, WAIT).toBe(TASKS);
  await expect.poll(() => two.service.health().ready, WAIT).toBe(true);
  await feed(10);
  await expectAllOnce();
  expect([...one.lines, ...two.lines].filter((line) => line.includes('"level":50'))).toEqual([]);
});

test("a processor that freezes is replaced, and doubles nothing when it thaws", async () => {
  const cold = freezable(log);
  const one = await start({ leaseMs: SHORT_MS, log: cold.log });
  const two = await start({ leaseMs: SHORT_MS });
  await expect.poll(async () => [await one.owned(), await two.owned()], WAIT).toEqual(HALVES);
  await feed(20);
  cold.freeze();
  await feed(20);
  await expect.poll(two.owned, WAIT).toBe(TASKS);
  expect(await two.figure("weir_processor_takeovers_total")).toBe(TASKS / 2);
  await expect.poll(() => one.service.health().ready, WAIT).toBe(false);
  await feed(20);
  await expectAllOnce();
  cold.thaw();
  await expect.poll(() => one.lines.filter((line) => line.includes("task lost")).length, WAIT).toBe(TASKS / 2);
  await expect.poll(async () => [await one.owned(), await two.owned()], WAIT).toEqual(HALVES);
  await expect.poll(() => [one, two].map(({ service }) => service.health().ready), WAIT).toEqual([true, true]);
  await feed(20);
  await expectAllOnce();
});

test("a restarted processor with the same name does not wait for the lease of its past life", async () => {
  const cold = freezable(log);
  const one = await start({ leaseMs: ENDLESS_MS, log: cold.log, member: "here" });
  await feed(20);
  cold.freeze();
  const again = await start({ leaseMs: ENDLESS_MS, member: "here" });
  expect(await again.owned()).toBe(TASKS);
  await feed(20);
  await expectAllOnce();
  // It is alive after all: it shares the tasks, and the two do not compete.
  cold.thaw();
  await one.service.stop();
  await feed(10);
  await expectAllOnce();
});

test("edited rules reach every task in every process", async () => {
  await start({ leaseMs: ENDLESS_MS });
  await start({ leaseMs: ENDLESS_MS });
  await writeFile(join(rulesDir, "more.yaml"), RULES.replaceAll("id: ", "id: more-"));
  const rules = async () => {
    const { windows } = await publishedResults(log, PARTITIONS);
    return windows.slice(0, PARTITIONS).map((results) => new Set(results.map(({ rule }) => rule)).size);
  };
  await expect
    .poll(async () => {
      await feed(1);
      return rules();
    }, WAIT)
    .toEqual(Array(PARTITIONS).fill(4));
  await expectAllOnce();
});

test("rule files with problems are refused when no rules were in force before", async () => {
  await writeFile(join(rulesDir, "bad.yaml"), "rules:\n  - id: [no]\n");
  await expect(start({ leaseMs: ENDLESS_MS })).rejects.toBeInstanceOf(BadFileError);
});

test("rules stay in force across a restart while the files have problems", async () => {
  const first = await start({ leaseMs: ENDLESS_MS, member: "a" });
  await feed(20);
  await first.service.stop();
  await writeFile(join(rulesDir, "all.yaml"), RULES.replace("max", "most"));

  const second = await start({ leaseMs: ENDLESS_MS, member: "a" });
  await feed(20);
  await expectAllOnce();
  expect(second.service.health()).toEqual({
    ready: true,
    detail: `owns ${TASKS} tasks`,
    notice:
      "The rule files have problems (all.yaml:6): the previous rules stay in force. weir rules check says what is wrong.",
  });
  expect(second.lines.join()).toContain("most");
  const { specs } = await log.bus.request(EXPLAIN_RULES, {}, { timeoutMs: 5_000 });
  expect(specs).toMatchObject([{ id: "all" }, { id: "high" }, { id: "site" }]);

  await writeFile(join(rulesDir, "all.yaml"), RULES.replaceAll("id: ", "id: new-"));
  await expect.poll(() => second.service.health(), WAIT).toEqual({ ready: true, detail: `owns ${TASKS} tasks` });
  await feed(20);
  await expectAllOnce();
});

test("texts of a metric that a rule compares with a number are counted and logged once, numbers are not", async () => {
  const one = await start({ leaseMs: SHORT_MS });
  await feed(2);
  await expect.poll(() => one.figure("weir_processor_readings_total"), WAIT).toBeGreaterThan(0);
  expect(await one.figure("weir_processor_rules_mismatched")).toBe(0);
  const readings = [reading("valve", SECOND_US, "ERR")];
  await log.append({ subject: "readings.1", payload: encodeEntry({ kind: "readings", storedAtUs: 0, readings }) });
  // Of the three rules, one has `when`, but the first computes a maximum, too.
  await expect.poll(() => one.figure("weir_processor_rules_mismatched"), WAIT).toBe(2);
  await feed(1);
  const said = one.lines.filter((line) => line.includes("m of valve is a text, and max reads numbers only"));
  expect(said.map((line) => JSON.parse(line).rule).sort()).toEqual(["all", "high"]);
});
