import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startMosquittoCluster } from "./cluster/mosquitto-cluster.ts";
import { startWeirCluster } from "./cluster/weir-cluster.ts";
import type { Part } from "./crowd.ts";
import { verifyReadings } from "./readings.ts";
import { type KillsReport, killBrokers, type Victims } from "./run.ts";

const USAGE = `Kills edges and NATS at random (SIGKILL) under load, and checks everything that their MQTT clients see.

Usage: test:broker-kills [options]
  --kills <n>       how often; default 50
  --seed <n>        decides when, whom, and what the clients do; default 1
  --rate <n>        messages per second; default 400
  --publishers <n>  default 4
  --edges <n>       default 1
  --stops <n>       percent of the edges' ends that are SIGTERM instead of SIGKILL; default 20
  --victims <list>  of edge, log and both (at once); default edge,log,both
  --parts <list>    of groups and wills, besides publishers and subscribers; default groups,wills
  --target <name>   weir (default), or mosquitto, which passes with 0 kills only
`;
const VICTIMS: readonly Victims[] = ["edge", "log", "both"];
const PARTS: readonly Part[] = ["groups", "wills"];
const SETTLE_MS_MAX = 90_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "50" },
      seed: { type: "string", default: "1" },
      rate: { type: "string", default: "400" },
      publishers: { type: "string", default: "4" },
      edges: { type: "string", default: "1" },
      stops: { type: "string", default: "20" },
      victims: { type: "string", default: VICTIMS.join(",") },
      parts: { type: "string", default: PARTS.join(",") },
      target: { type: "string", default: "weir" },
      help: { type: "boolean", default: false },
    },
  });
  const texts = [values.kills, values.seed, values.rate, values.publishers, values.edges, values.stops];
  const numbers = texts.map(Number);
  const [kills = 0, seed = 0, rate = 0, publishers = 0, edges = 0, stops = 0] = numbers;
  const isValid = numbers.every((number) => Number.isSafeInteger(number) && number >= 0) && publishers * edges > 0;
  const victims = VICTIMS.filter((each) => values.victims.split(",").includes(each));
  if (values.help || victims.length === 0 || !isValid || !["weir", "mosquitto"].includes(values.target)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => ending.abort(new Error(`ended by ${name}`)));
  const stopShare = stops / 100;
  const parts = PARTS.filter((each) => values.parts.split(",").includes(each));
  const options = {
    victims,
    parts,
    kills,
    seed,
    rate,
    publishers,
    stopShare,
    settleMsMax: SETTLE_MS_MAX,
    say,
    signal: ending.signal,
  };
  if (values.target === "mosquitto") {
    const cluster = await startMosquittoCluster();
    try {
      return print(seed, await killBrokers(cluster, options));
    } finally {
      await cluster.stop();
    }
  }
  // The built tree that contains this file.
  const distDir = fileURLToPath(new URL("../..", import.meta.url));
  const cluster = await startWeirCluster({ edges, distDir });
  try {
    const report = await killBrokers(cluster, {
      ...options,
      verifyLog: async (oracle) => {
        const log = await cluster.openLog();
        try {
          return await verifyReadings(log, oracle);
        } finally {
          await log.close();
        }
      },
    });
    return print(seed, report);
  } finally {
    await cluster.stop();
  }
}

function print(seed: number, report: KillsReport): number {
  const { differences } = report;
  const { tookMs, aloneMs } = report.recoveries;
  const total = [...report.disturbances.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...report.disturbances].map(([name, count]) => `${name} ${count}`).join(", ");
  const lines = [
    `seed ${seed}: ${total} disturbances (${kinds}) in ${report.runSeconds.toFixed(0)} s`,
    `${report.published} messages published, ${report.repeatedByPublishers} sends repeated by publishers`,
    `${report.acknowledged} acknowledged, ${report.receipts} received, ${report.repeats} of them repeats of QoS 1`,
    `${report.retainedValues} retained values and ${report.wills} wills checked`,
    ...(report.readings === undefined ? [] : [`${report.readings} readings in the log`]),
    `acknowledgements came again after ${spread(tookMs)}; after one alone: ${spread(aloneMs)}`,
    `the slowest edge that was asked to end took ${seconds(report.endedMs)}`,
    differences.length === 0 ? "Nothing is lost, nothing is doubled, everything is in order." : "DIFFERENT:",
    ...differences,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return differences.length === 0 ? 0 : 1;
}

function spread(ms: readonly number[]): string {
  const sorted = [...ms].sort((a, b) => a - b);
  return `${seconds(sorted[sorted.length >> 1])} (median), ${seconds(sorted.at(-1))} (slowest)`;
}

function seconds(ms = Number.NaN): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

process.exitCode = await main();
