import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Footprint } from "./footprint.ts";
import { type ReloadReport, reload } from "./run.ts";
import type { Spread } from "./timings.ts";

const USAGE = `Edits the rule files of a gateway repeatedly, in all the ways in which files are written, while devices publish.
Then compares its results with what was sent, with what was written, and with a fresh fold of the log.

Usage: test:reload [options]
  --reloads <n>  how many versions take effect; default 200
  --rate <n>     readings per second; default 5000
  --devices <n>  default 100
  --rules <n>    rules of the largest file; default 500
  --seed <n>     decides what is edited, and how it is written; default 1
`;
const PARTITIONS = 4;
const QUIET_MS = 15_000;
const FOOTPRINTS = 5;
const SITE_LATENESS_MS = 60_000;
const MIB = 1_048_576;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      reloads: { type: "string", default: "200" },
      rate: { type: "string", default: "5000" },
      devices: { type: "string", default: "100" },
      rules: { type: "string", default: "500" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  const numbers = [values.reloads, values.rate, values.devices, values.rules, values.seed].map(Number);
  const [reloads = 0, rate = 0, devices = 0, manyRules = 0, seed = 0] = numbers;
  if (values.help || !numbers.every((number) => Number.isSafeInteger(number) && number > 0)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => ending.abort());
  const report = await reload({
    ...{ reloads, rate, devices, manyRules, seed, partitions: PARTITIONS, quietMs: QUIET_MS, footprints: FOOTPRINTS },
    siteLatenessMs: SITE_LATENESS_MS,
    // The built tree that contains this file.
    distDir: fileURLToPath(new URL("../..", import.meta.url)),
    say: (text) => void process.stderr.write(`${text}\n`),
    signal: ending.signal,
  });
  process.stdout.write(describe(report));
  return report.differences.length === 0 ? 0 : 1;
}

function describe(report: ReloadReport): string {
  const { reloads, timings, differences, footprints } = report;
  const count = (name: "what" | "way") => {
    const counts = new Map<string, number>();
    for (const reload of reloads) counts.set(reload[name], (counts.get(reload[name]) ?? 0) + 1);
    return [...counts].map(([text, times]) => `${text} ${times}`).join(", ");
  };
  const lines = [
    `${reloads.length} reloads in ${report.seconds.toFixed(0)} s; ${report.refusals} times broken files, each refused and then fixed`,
    `  what: ${count("what")}`,
    `  how: ${count("way")}`,
    `${report.readings} readings acknowledged, each in the log once (${Math.round(report.readings / report.seconds)} a second)`,
    `${report.ruleSets} rule sets in the logs of all tasks: those that were written, in order`,
    `${report.windows} window results and ${report.alerts} alert changes, each compared with a fresh fold`,
    `${report.steadyWindows} windows of the rules that no edit touched, by brute force; ${report.keptIncidents} incidents kept`,
    `milliseconds               count      p50      p99      max`,
    row("written -> in the log", timings.toLog),
    row("  when rules are gone", timings.toLogRemoved),
    row("in the log -> results", timings.toResult),
    row("PUBACK during reloads", timings.acknowledgedDuring),
    row("PUBACK without", timings.acknowledgedBeside),
    ...footprints.flatMap(footprintLines),
    differences.length === 0 ? "No gap, no repeat, no leak." : "DIFFERENT:",
    ...differences,
  ];
  return `${lines.join("\n")}\n`;
}

function row(name: string, { count, p50, p99, max }: Spread): string {
  const cells = [p50, p99, max].map((ms) => ms.toFixed(1).padStart(9));
  return `${name.padEnd(22)}${String(count).padStart(10)}${cells.join("")}`;
}

function footprintLines({ reloads, rssBytes, threads, descriptors, watches }: Footprint): string[] {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const system = `${mib(rssBytes)} MiB resident, ${descriptors} descriptors, ${watches} watches`;
  const each = threads.map(({ thread, heapBytes, externalBytes, resources }) => {
    const held = Object.entries(resources).map(([kind, count]) => `${kind} ${count}`);
    return `  ${thread.padEnd(14)} heap ${mib(heapBytes)}, external ${mib(externalBytes)} MiB; ${held.join(", ")}`;
  });
  return [`at reload ${reloads}: ${system}`, ...each];
}

process.exitCode = await main();
