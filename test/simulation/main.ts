import { parseArgs } from "node:util";
import { explain, stepAgrees } from "./divergence.ts";
import { FaultCounts } from "./fault-counts.ts";
import { scenarioOf } from "./scenario.ts";
import { simulate } from "./simulate.ts";

const USAGE = `Simulates the processing with faults, one world for each seed, and compares the results with brute force.

Usage: npm run test:sim -- [options]
  --seed <n>    run only this seed
  --seeds <n>   number of seeds; default 2000
  --from <n>    first seed; default 1
  --go-on       do not stop at the first seed that diverges, but list all
`;
const PROGRESS_MS = 5_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "2000" },
      from: { type: "string", default: "1" },
      "go-on": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const from = Number(values.seed ?? values.from);
  const seeds = values.seed === undefined ? Number(values.seeds) : 1;
  if (values.help || !Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const counts = new FaultCounts();
  const sums = { entries: 0, windows: 0, alerts: 0, events: 0 };
  let diverged = 0;
  const startMs = performance.now();
  let printedMs = startMs;
  for (let seed = from; seed < from + seeds; seed++) {
    const scenario = scenarioOf(seed);
    const outcome = await simulate(scenario);
    counts.addAll(outcome.counts);
    for (const name of ["entries", "windows", "alerts", "events"] as const) sums[name] += outcome.figures[name];
    if (outcome.difference !== undefined) {
      if (!values["go-on"]) {
        process.stdout.write(await explain(scenario, outcome));
        return 1;
      }
      diverged++;
      const where = (await stepAgrees(outcome)) ? "the step alone agrees" : "the step alone differs too";
      process.stdout.write(`seed ${seed} diverges (${where}): ${outcome.difference}\n`);
    }
    if (performance.now() - printedMs < PROGRESS_MS) continue;
    printedMs = performance.now();
    process.stdout.write(`${seed - from + 1} of ${seeds} seeds\n`);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const { entries, windows, alerts, events } = sums;
  process.stdout.write(`${seeds} seeds in ${seconds} s: ${diverged === 0 ? "no divergence" : `${diverged} diverge`}
${entries} log entries, ${windows} window results, ${alerts} alert changes, ${events} events\n${counts}\n`);
  return diverged === 0 ? 0 : 1;
}

process.exitCode = await main();
