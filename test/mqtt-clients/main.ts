import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { allLibraries } from "./libraries/libraries.ts";
import { fits, SCENARIOS, type Way, waysOf } from "./scenarios/scenarios.ts";
import { Trial } from "./scenarios/trial.ts";
import { startMosquittoTarget } from "./targets/mosquitto-target.ts";
import type { Target } from "./targets/target.ts";
import { startWeirTarget } from "./targets/weir-target.ts";

const USAGE = `Runs the scenarios of MQTT with real client libraries, in each version of MQTT and over TCP, TLS and
WebSocket.

Usage: test:clients [options]
  --target <name>    weir (default) or mosquitto, to check the scenarios
  --library <text>   only libraries whose name contains it
  --scenario <text>  only scenarios whose name contains it
  --rounds <n>       how often; default 1
`;
/** Scenarios wait much more than they compute. */
const SIDE_BY_SIDE = 6;

interface Failure {
  readonly what: string;
  readonly why: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "weir" },
      library: { type: "string", default: "" },
      scenario: { type: "string", default: "" },
      rounds: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
  // Of the built tree that contains this file.
  const weir = fileURLToPath(new URL("../../gateway/main.js", import.meta.url));
  const start = { weir: () => startWeirTarget(weir), mosquitto: startMosquittoTarget }[values.target];
  if (values.help || start === undefined || !(Number.isSafeInteger(rounds) && rounds > 0)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const libraries = allLibraries().filter(({ name }) => name.includes(values.library));
  const scenarios = SCENARIOS.filter(({ name }) => name.includes(values.scenario));
  const runs = waysOf(libraries).flatMap((way) =>
    scenarios.filter((scenario) => fits(scenario, way)).map((scenario) => ({ way, scenario })),
  );
  const target = await start();
  const failures: Failure[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const left = [...runs];
      const work = async (): Promise<void> => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          const { way, scenario } = next;
          const why = await run(way, target, scenario.run);
          const what = `${nameOf(way)}: ${scenario.name}`;
          if (why === undefined) continue;
          failures.push({ what, why });
          process.stderr.write(`failed: ${what}\n`);
        }
      };
      await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    }
  } finally {
    await Promise.all(libraries.map((library) => library.stop()));
    await target.stop();
  }
  process.stdout.write(describe(libraries.length, runs.length * rounds, failures));
  return failures.length === 0 ? 0 : 1;
}

/** Undefined when it passed. */
async function run(way: Way, target: Target, scenario: (trial: Trial) => Promise<void>): Promise<string | undefined> {
  const trial = new Trial({ ...way, target });
  try {
    await scenario(trial);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await trial.end().catch(() => {});
  }
}

function nameOf({ library, version, transport }: Way): string {
  return `${library.name}, MQTT ${version === 5 ? "5" : "3.1.1"} over ${transport}`;
}

function describe(libraries: number, runs: number, failures: readonly Failure[]): string {
  const lines = failures.map(({ what, why }) => `${what}\n    ${why.split("\n").join("\n    ")}`);
  lines.push(`${runs - failures.length} of ${runs} scenarios of ${libraries} libraries passed`);
  return `${lines.join("\n")}\n`;
}

process.exitCode = await main();
