import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";

const USAGE = `Sends mutated messages of all presets, families of devices and formats to the ingest. Fails if one is not acknowledged,
takes more than 50 ms of processor time, or is not accounted for.

Usage: test:fuzz [options]
  --messages <n>  default 1000000
  --seed <n>      default 1: the same seed sends the same messages
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  const [messages, seed] = [Number(values.messages), Number(values.seed)];
  if (values.help || !(messages > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { faults, ...report } = await fuzz({ messages, seed });
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}

process.exit(await main());
