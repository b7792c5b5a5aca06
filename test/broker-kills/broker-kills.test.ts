import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { startMosquittoCluster } from "./cluster/mosquitto-cluster.ts";
import { startWeirCluster } from "./cluster/weir-cluster.ts";
import { verifyReadings } from "./readings.ts";
import { type KillsOptions, killBrokers } from "./run.ts";

const undo: (() => Promise<void>)[] = [];
const said: string[] = [];
const OPTIONS: KillsOptions = {
  victims: ["edge"],
  parts: ["groups", "wills"],
  kills: 0,
  seed: 5,
  rate: 200,
  publishers: 2,
  stopShare: 0,
  settleMsMax: 20_000,
  say: (text) => said.push(text),
};

afterEach(async () => {
  said.length = 0;
  for (const step of undo.splice(0).reverse()) await step();
});

describe("the run can fail: on a broker that keeps sessions in memory", () => {
  test("it finds nothing as long as nobody kills it", async () => {
    const cluster = await startMosquittoCluster();
    undo.push(() => cluster.stop());
    const report = await killBrokers(cluster, OPTIONS);
    expect(report.differences, said.join("\n")).toEqual([]);
    expect(report.acknowledged).toBeGreaterThan(10);
    expect(report.receipts).toBeGreaterThan(report.acknowledged);
    expect(report.retainedValues).toBeGreaterThan(0);
  });

  test("it finds sessions and messages that a kill loses", async () => {
    const cluster = await startMosquittoCluster();
    undo.push(() => cluster.stop());
    const { differences } = await killBrokers(cluster, { ...OPTIONS, kills: 1, settleMsMax: 500 });
    expect(differences.some((each) => each.startsWith("session lost"))).toBe(true);
    expect(differences.some((each) => each.startsWith("lost"))).toBe(true);
  });
});

/** The long run, `npm run test:broker-kills`, has wills as well: some are due a minute after a restart. */
test("sessions, groups, retained messages and readings survive kills of the edge and of NATS", async () => {
  const distDir = fileURLToPath(new URL("../../dist", import.meta.url));
  const cluster = await startWeirCluster({ edges: 1, distDir });
  undo.push(() => cluster.stop());
  const report = await killBrokers(cluster, {
    ...OPTIONS,
    kills: 6,
    victims: ["edge", "log", "both"],
    parts: ["groups"],
    stopShare: 0.25,
    settleMsMax: 60_000,
    verifyLog: async (oracle) => {
      const log = await cluster.openLog();
      try {
        return await verifyReadings(log, oracle);
      } finally {
        await log.close();
      }
    },
  });
  expect(report.differences, said.join("\n")).toEqual([]);
  expect(report.acknowledged).toBeGreaterThan(100);
  expect(report.readings).toBeGreaterThanOrEqual(report.acknowledged);
}, 240_000);
