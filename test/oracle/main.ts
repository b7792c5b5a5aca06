import { parseArgs } from "node:util";
import { KINDS } from "./cases.ts";
import { check } from "./check.ts";

const USAGE = `Computes windows of all kinds with the engine, and compares each with a plain computation from all readings.

Usage: npm run test:oracle -- [options]
  --windows <n>   number of windows; default 200000
  --seed <n>      check only the case of this seed
`;

function main(): number {
  const { values } = parseArgs({
    options: {
      windows: { type: "string", default: "200000" },
      seed: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const windows = values.seed === undefined ? Number(values.windows) : 1;
  const first = Number(values.seed ?? 1);
  if (values.help || !Number.isSafeInteger(windows) || windows < 1 || !Number.isSafeInteger(first)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const counts = new Map(KINDS.map((kind) => [kind, 0]));
  let seed = first;
  for (let left = windows; left > 0; seed++) {
    const checked = check(seed);
    if (checked.difference !== undefined) {
      process.stdout.write(`seed ${seed} differs: ${checked.difference}\n`);
      return 1;
    }
    counts.set(checked.kind, (counts.get(checked.kind) ?? 0) + checked.windows);
    left -= checked.windows;
  }
  for (const [kind, count] of counts) process.stdout.write(`${String(count).padStart(10)}  ${kind}\n`);
  process.stdout.write(`${seed - first} cases: all windows agree\n`);
  return 0;
}

process.exitCode = main();
