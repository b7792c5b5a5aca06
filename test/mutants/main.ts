import { parseArgs } from "node:util";
import type { Mutant } from "./mutant.ts";
import { ALL_TESTS, MUTANTS } from "./mutants.ts";
import { endRuns, runTests } from "./run-tests.ts";
import { occurrences, TreeCopy } from "./tree-copy.ts";

const USAGE = `Plants faults in copies of the engine, one at a time, and prints which test catches each.

Usage: npm run test:mutants -- [options]
  --only <name>  run only this mutant; repeatable
  --at-once <n>  number of copies tested at the same time; default 2
  --list         only list the mutants
`;
const SURVIVED = "SURVIVED";
const SOME_MS_MAX = 90_000;
const ALL_MS_MAX = 300_000;

interface Result {
  readonly mutant: Mutant;
  readonly catcher: string;
  readonly seconds: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      "at-once": { type: "string", default: "2" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const atOnce = Number(values["at-once"]);
  const mutants = MUTANTS.filter(({ name }) => values.only?.includes(name) ?? true);
  const unknown = values.only?.filter((name) => !MUTANTS.some((mutant) => mutant.name === name)) ?? [];
  if (values.help || unknown.length > 0 || !Number.isSafeInteger(atOnce) || atOnce < 1) {
    process.stderr.write(unknown.length > 0 ? `no such mutant: ${unknown.join(", ")}; see --list\n` : USAGE);
    return values.help ? 0 : 2;
  }
  if (values.list) {
    for (const { name, file, fault } of mutants) process.stdout.write(`${name}  ${file}: ${fault}\n`);
    return 0;
  }
  return testMutants(mutants, process.cwd(), atOnce);
}

async function testMutants(mutants: readonly Mutant[], source: string, atOnce: number): Promise<number> {
  const stale = mutants.filter((mutant) => occurrences(source, mutant) !== 1);
  for (const { name, file, from } of stale) {
    process.stderr.write(
      `stale: ${name}: ${JSON.stringify(from)} does not occur exactly once in ${file}; update the mutant\n`,
    );
  }
  const copies: TreeCopy[] = [];
  try {
    for (let i = 0; i < atOnce; i++) copies.push(new TreeCopy(source));
    const before = await runTests(copies[0]?.root ?? "", ALL_TESTS, { failuresMax: 0, msMax: ALL_MS_MAX });
    process.stderr.write(`without a mutant: ${before.passed} tests pass, ${before.failed.length} fail\n`);
    if (before.timedOut || before.passed === 0) throw new Error("the tests do not run even without a mutant");
    const left = mutants.filter((mutant) => !stale.includes(mutant));
    const results: Result[] = [];
    const work = async (copy: TreeCopy) => {
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        const result = await testMutant(copy, mutant, before.failed);
        results.push(result);
        process.stderr.write(`${mutant.name}: ${result.catcher} (${result.seconds.toFixed(0)} s)\n`);
      }
    };
    await Promise.all(copies.map(work));
    results.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant));
    process.stdout.write(tableOf(results));
    const survivors = results.filter(({ catcher }) => catcher === SURVIVED);
    process.stdout.write(`\n${results.length} mutants, ${survivors.length} survived, ${stale.length} stale\n`);
    for (const name of before.failed) process.stdout.write(`fails without a mutant: ${name}\n`);
    return survivors.length + stale.length + before.failed.length === 0 ? 0 : 1;
  } finally {
    endRuns();
    for (const copy of copies) copy.remove();
  }
}

/** A test that also fails without a mutant does not count as a catch. */
async function testMutant(copy: TreeCopy, mutant: Mutant, failedBefore: readonly string[]): Promise<Result> {
  const startedMs = performance.now();
  const remove = copy.plant(mutant);
  let catcher = SURVIVED;
  try {
    for (const files of [mutant.tests, ALL_TESTS]) {
      const msMax = files === ALL_TESTS ? ALL_MS_MAX : SOME_MS_MAX;
      const { failed, timedOut } = await runTests(copy.root, files, { failuresMax: failedBefore.length + 1, msMax });
      if (failed.some((name) => name.endsWith("does not load"))) throw new Error(`${mutant.name} is not valid code`);
      const caught = failed.find((name) => !failedBefore.includes(name));
      if (timedOut) catcher = "the tests do not end";
      else if (caught !== undefined) catcher = caught;
      if (catcher !== SURVIVED) break;
    }
  } finally {
    remove();
  }
  return { mutant, catcher, seconds: (performance.now() - startedMs) / 1000 };
}

function tableOf(results: readonly Result[]): string {
  const rows = results.map(({ mutant, catcher }) => {
    return `| ${mutant.name} | ${mutant.fault} | ${catcher.replaceAll("|", "\\|")} |`;
  });
  return `${["| Mutant | Fault | Caught by |", "| --- | --- | --- |", ...rows].join("\n")}\n`;
}

for (const name of ["SIGINT", "SIGTERM"]) {
  process.once(name, () => {
    process.exitCode = 130;
    endRuns();
  });
}
process.exitCode = await main();
