import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { partitionOf } from "../../domain/partition.ts";
import { encodeEntry, reading } from "../../engine/testing/step-kit.ts";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { decodeOwners, OWNERS_RECORD } from "../../processors/ownership/owners-record.ts";
import { countWindows, foldedResults, publishedResults, type Results } from "../../processors/testing/folded-log.ts";
import { allMessages } from "../../processors/testing/runner-kit.ts";
import { WeirProcess } from "../servers/weir-process.ts";
import { tempFolder, WEIR } from "./kit.ts";

const PARTITIONS = 4;
const WAIT = { timeout: 40_000, interval: 50 };
const SECOND_US = 1e6;
const RULES = `
rules:
  - id: hot
    where: { metric: temperature }
    window: { tumbling: 10s }
    aggregate: [max, count]
    when: "> 50"
  - id: site
    where: { metric: temperature }
    group_by: [site]
    window: { tumbling: 10s }
    aggregate: count
    lateness: 2h
`;
const DEVICES = Array.from({ length: 24 }, (_, i) => `device-${i}`);
const START_US = Date.UTC(2026, 0, 1) * 1000;
const FRAME_EVERY_MS = 5;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startTwo() {
  const { path, remove } = await tempFolder({ "rules/hot.yaml": RULES });
  undo.push(remove);
  const logger = pino({ level: "silent" });
  const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger });
  undo.push(() => nats.stop());
  const env = { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, WEIR_RULES_DIR: join(path, "rules") };
  const make = (name: string) => {
    const one = new WeirProcess({
      command: [process.execPath, WEIR],
      args: ["run", "processors"],
      dataDir: join(path, name),
      env,
      startMsMax: 60_000,
    });
    undo.push(() => one.kill());
    return one;
  };
  const [one, two] = [make("one"), make("two")];
  const keep = { maxAgeMs: 86_400_000, maxBytes: 256 * 1_048_576 };
  const log = await connectJetStreamLog({
    servers: nats.url,
    token: nats.token,
    name: "takeover-test",
    partitions: PARTITIONS,
    retention: { readings: keep, windows: keep, alerts: keep, deadLetters: keep },
    logger,
  });
  undo.push(() => log.close());
  await Promise.all([one.start(), two.start()]);
  return { log, one, two };
}

/** How many tasks each member owns, the most first; a task that no member owns counts as -1 in front. */
async function shares(log: Log): Promise<number[]> {
  const { members, owners } = decodeOwners((await log.records.get(OWNERS_RECORD))?.value);
  const counts = new Map(Object.keys(members).map((id) => [id, 0]));
  for (const owner of owners) {
    const count = counts.get(owner ?? "");
    if (owner === null || count === undefined) return [-1];
    counts.set(owner, count + 1);
  }
  return [...counts.values()].sort((a, b) => b - a);
}

async function tasks(log: Log): Promise<number> {
  return decodeOwners((await log.records.get(OWNERS_RECORD))?.value).owners.length;
}

/** How many readings were forwarded to the tasks of groups over several devices. */
async function forwarded(log: Log): Promise<number> {
  const frames = new FrameReader(new SeriesTable());
  let readings = 0;
  for (const { payload } of await allMessages(log, "GROUPS")) {
    const entry = frames.read(payload);
    // `count`, not the columns' length: they are longer than what the entry holds.
    if (entry.kind === "readings") readings += entry.count;
  }
  return readings;
}

/** Readings of every device, one frame after the other, until asked to stop; then closes all windows. */
function feed(log: Log) {
  let going = true;
  let rounds = 0;
  async function append(atUs: number, value: number): Promise<void> {
    const byPartition = new Map<number, ReturnType<typeof reading>[]>();
    for (const device of DEVICES) {
      const partition = partitionOf(device, PARTITIONS);
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), reading(device, atUs, value, "temperature")]);
    }
    const frames = [...byPartition].map(([partition, readings]) => {
      const payload = encodeEntry({ kind: "readings", storedAtUs: 0, readings });
      return log.append({ subject: `readings.${partition}`, payload });
    });
    await Promise.all(frames);
  }
  const ended = (async () => {
    for (; going; rounds++) {
      await append(START_US + rounds * 2 * SECOND_US, Math.floor(rounds / 25) % 2 === 0 ? 20 : 60);
      await sleep(FRAME_EVERY_MS);
    }
    // A partition that still catches up must not be behind the reading that closes the site's windows.
    await expect.poll(() => forwarded(log), WAIT).toBeGreaterThanOrEqual(rounds * DEVICES.length);
    await append(START_US + (rounds * 2 + 4 * 3_600) * SECOND_US, 20);
  })();
  undo.push(async () => {
    going = false;
    await ended.catch(() => {});
  });
  return {
    rounds: () => rounds,
    async end() {
      going = false;
      await ended;
    },
  };
}

/** All windows and alerts of the readings in the log are there, each once. */
async function expectAllOnce(log: Log, rounds: number): Promise<void> {
  const siteCounts = async () => {
    const { windows } = await publishedResults(log, PARTITIONS);
    return windows.flat().flatMap(({ rule, aggregates }) => (rule === "site" ? [aggregates.count] : []));
  };
  // Counted from what was sent: readings of all partitions came to the site's share, each once.
  const full = Math.floor(rounds / 5);
  const rest = rounds % 5;
  const perWindow = [...Array(full).fill(5 * DEVICES.length), ...(rest > 0 ? [rest * DEVICES.length] : [])];
  await expect.poll(siteCounts, WAIT).toEqual(perWindow);

  let published: Results | undefined;
  let expected: Results | undefined;
  const missing = async () => {
    published = await publishedResults(log, PARTITIONS);
    // After that, and each time again: a tick that a processor writes closes more windows.
    expected = await foldedResults(log, PARTITIONS);
    return {
      windows: countWindows(expected) - countWindows(published),
      alerts: expected.alerts.length - published.alerts.length,
    };
  };
  await expect.poll(missing, WAIT).toEqual({ windows: 0, alerts: 0 });
  expect(published).toEqual(expected);
  expect(expected && countWindows(expected)).toBeGreaterThan((DEVICES.length * rounds) / 6);
  expect(expected?.alerts.length).toBeGreaterThan(DEVICES.length);
}

/** Resolves when windows of every partition are in the log that were not there before. */
async function newWindowsEverywhere(log: Log): Promise<void> {
  const ends = async () => {
    const subjects = Array.from({ length: PARTITIONS }, (_, partition) => `windows.${partition}`);
    return Promise.all(subjects.map(async (subject) => (await log.lastFor("WINDOWS", subject))?.sequence ?? 0));
  };
  const before = await ends();
  await expect.poll(async () => (await ends()).every((end, i) => end > (before[i] ?? 0)), WAIT).toBe(true);
}

test("two processors share the work; one is killed, and the other has it all within ten seconds", async () => {
  const { log, one, two } = await startTwo();
  const half = (await tasks(log)) / 2;
  await expect.poll(() => shares(log), WAIT).toEqual([half, half]);
  const readings = feed(log);
  await newWindowsEverywhere(log);

  await one.kill();
  const killedAtMs = performance.now();
  await expect.poll(() => shares(log), { timeout: 10_000, interval: 20 }).toEqual([2 * half]);
  const ownedMs = performance.now() - killedAtMs;
  await newWindowsEverywhere(log);
  const workingMs = performance.now() - killedAtMs;
  console.log(
    `all owned ${Math.round(ownedMs)} ms after the kill, results everywhere after ${Math.round(workingMs)} ms`,
  );

  await one.start();
  await expect.poll(() => shares(log), WAIT).toEqual([half, half]);
  await newWindowsEverywhere(log);
  expect(await two.stop()).toBe(0);
  await expect.poll(() => shares(log), WAIT).toEqual([2 * half]);
  await newWindowsEverywhere(log);
  await readings.end();
  await expectAllOnce(log, readings.rounds());
  expect(await one.stop()).toBe(0);
}, 240_000);

test("one that was stopped for a while and wakes up doubles nothing", async () => {
  const { log, one, two } = await startTwo();
  const half = (await tasks(log)) / 2;
  await expect.poll(() => shares(log), WAIT).toEqual([half, half]);
  const readings = feed(log);
  await newWindowsEverywhere(log);

  for (let i = 0; i < 2; i++) {
    process.kill(one.ports.pid, "SIGSTOP");
    await expect.poll(() => shares(log), { timeout: 10_000, interval: 20 }).toEqual([2 * half]);
    await newWindowsEverywhere(log);
    process.kill(one.ports.pid, "SIGCONT");
    await expect.poll(() => shares(log), WAIT).toEqual([half, half]);
    await newWindowsEverywhere(log);
  }
  await readings.end();
  await expectAllOnce(log, readings.rounds());
  for (const each of [one, two]) expect(await each.stop()).toBe(0);
}, 240_000);
