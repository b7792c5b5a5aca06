import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Recovery } from "./recoveries.ts";
import { type CrashReport, crash } from "./run.ts";

const USAGE = `Kills real processors repeatedly (SIGKILL) while readings arrive, and compares all results in the log
with a fresh fold of it, and on a sample of groups with brute force.

Usage: test:crash [options]
  --kills <n>    how often; default 20
  --rate <n>     readings per second; default 10000
  --seed <n>     decides when, whom, and what the readings are; default 1
  --up <s>       the longest time until the next kill; default 4, too short to recover from most kills in between
  --devices <n>  devices that brute force checks; default 40
  --sites <n>    sites that brute force checks; default 6
  --usual        the default settings of processors: a state every 10 s, a lease of 4 s, 2000 results a frame; without
                 it a state every 0.7 s, a lease of 2 s and 60 results a frame, so that kills split states and frames
`;
const PARTITIONS = 4;
const AFTER_MS = 12_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "20" },
      rate: { type: "string", default: "10000" },
      seed: { type: "string", default: "1" },
      up: { type: "string", default: "4" },
      devices: { type: "string", default: "40" },
      sites: { type: "string", default: "6" },
      usual: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const numbers = [values.kills, values.rate, values.seed, values.up, values.devices, values.sites].map(Number);
  const [kills = 0, rate = 0, seed = 0, up = 0, devices = 0, sites = 0] = numbers;
  if (values.help || !numbers.every((number) => Number.isSafeInteger(number) && number > 0)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  // The built tree that contains this file.
  const distDir = fileURLToPath(new URL("../..", import.meta.url));
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => ending.abort());
  const sample = { devices, sites };
  const { signal } = ending;
  const report = await crash({
    kills,
    rate,
    seed,
    upMsMax: up * 1000,
    partitions: PARTITIONS,
    usualSettings: values.usual,
    distDir,
    sample,
    afterMs: AFTER_MS,
    say,
    signal,
  });
  process.stdout.write(describe(report));
  return report.differences.length === 0 ? 0 : 1;
}

function describe(report: CrashReport): string {
  const { byOracle, differences, recoveries } = report;
  const undisturbed = recoveries.filter(({ isDisturbed }) => !isDisturbed);
  const lines = [
    `${report.kills} kills (${report.killedBoth} of both processes at once) in ${report.runSeconds.toFixed(0)} s`,
    `${report.readings} readings in the log, ${report.forwarded} forwarded to groups over devices`,
    `${report.windows} window results and ${report.alerts} alert changes, each compared with a fresh fold`,
    `by brute force: ${byOracle.devices} devices and ${byOracle.sites} sites, ` +
      `${byOracle.readings} readings, ${byOracle.windows} window results, ${byOracle.alerts} alert changes`,
    "from a kill until the results of everything in the log at that moment exist, in seconds; with * when processes",
    `were killed again in between: ${recoveries.map(({ ms, isDisturbed }) => `${tenths(ms)}${isDisturbed ? "*" : ""}`).join(" ")}`,
    `  all kills: ${spread(recoveries)}; undisturbed: ${spread(undisturbed)}`,
    `a fresh step replays ${report.replayedPerSecond} readings/s`,
    differences.length === 0 ? "Nothing is missing, nothing is doubled, everything is in order." : "DIFFERENT:",
    ...differences,
  ];
  return `${lines.join("\n")}\n`;
}

function spread(recoveries: readonly Recovery[]): string {
  const sorted = recoveries.map(({ ms }) => ms).sort((a, b) => a - b);
  if (sorted.length === 0) return "none";
  return `${tenths(sorted[sorted.length >> 1])} s (median of ${sorted.length}), ${tenths(sorted.at(-1))} s (slowest)`;
}

function tenths(ms = Number.NaN): string {
  return (ms / 1000).toFixed(1);
}

process.exitCode = await main();
