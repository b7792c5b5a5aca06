import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ATTACKS, attackAll, TABLE_HEAD } from "./run.ts";

const USAGE = `Attacks a gateway in many ways, through each of its doors, with an honest device beside the attacker. Fails if the
device waits too long for an acknowledgement, if the gateway takes too much memory, or if a message is unaccounted for.

Usage: test:hostile [options]
  --seconds <n>     how long each attack lasts; default 4
  --attack <name>   only attacks whose name contains this
  --door <name>     tcp, tls, ws, bridge or bridge-tls: only through this one
  --puback-ms <n>   the longest wait of the honest device; default 1000, or on a busy machine five times the longest
                    wait before the attacks, if that is more
  --memory-mib <n>  the most resident memory of the gateway; default 1536
`;

const CALM_TIMES_MAX = 5;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "4" },
      attack: { type: "string", default: "" },
      door: { type: "string", default: "" },
      "puback-ms": { type: "string", default: "1000" },
      "memory-mib": { type: "string", default: "1536" },
      help: { type: "boolean", default: false },
    },
  });
  const numbers = [values.seconds, values["puback-ms"], values["memory-mib"]].map(Number);
  const [seconds = 0, pubackMsMax = 0, memoryMib = 0] = numbers;
  const matching = ATTACKS.filter(({ name }) => name.includes(values.attack));
  if (values.help || !numbers.every((number) => number > 0) || matching.length === 0) {
    const names = `\nAttacks: ${ATTACKS.map(({ name }) => name).join(", ")}\n`;
    process.stderr.write(USAGE + names);
    return values.help ? 0 : 2;
  }
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const ending = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => ending.abort());
  say(TABLE_HEAD);
  const { faults } = await attackAll({
    // The built tree that contains this file.
    distDir: fileURLToPath(new URL("../..", import.meta.url)),
    seconds,
    picked: (attack, door) => matching.includes(attack) && (values.door === "" || values.door === door),
    pubackMsMax,
    calmTimesMax: CALM_TIMES_MAX,
    memoryBytesMax: memoryMib * 1_048_576,
    say,
    signal: ending.signal,
  });
  for (const fault of faults) say(`FAULT ${fault}`);
  say(faults.length === 0 ? "The honest device never noticed." : `${faults.length} faults`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
