import { parseArgs } from "node:util";
import { startInfluxd } from "../servers/influxd.ts";
import { type VerifyReport, verifyRecorded } from "./run.ts";

const USAGE = `Plays recorded data through a real gateway and compares everything it stores with SQL over the files.

Usage: verify-recorded <folder with PRSA_Data_*.csv(.gz) files> [options]
  --kill-gateway <n>  kill the gateway n times during the run (SIGKILL)
  --kill-nats <n>     kill its NATS server n times
  --seed <n>          decides when; default 1
  --store <name>      duckdb (default) or influx (a real InfluxDB 2, started for the run)
  --keep              keep the data folder
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "kill-gateway": { type: "string", default: "0" },
      "kill-nats": { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      store: { type: "string", default: "duckdb" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [folder] = positionals;
  const counts = [values["kill-gateway"], values["kill-nats"], values.seed].map(Number);
  const [killGateway = 0, killNats = 0, seed = 1] = counts;
  const known = values.store === "duckdb" || values.store === "influx";
  if (folder === undefined || positionals.length > 1 || values.help || !known || !counts.every(Number.isSafeInteger)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const influx = values.store === "influx" ? await startInfluxd() : undefined;
  try {
    const say = (text: string): void => void process.stderr.write(`${text}\n`);
    const report = await verifyRecorded({ folder, killGateway, killNats, seed, influx, keep: values.keep, say });
    process.stdout.write(describe(report));
    if (values.keep) process.stdout.write(`Data: ${report.dataDir}\n`);
    return report.equal ? 0 : 1;
  } finally {
    await influx?.stop();
  }
}

function describe({ checks, replay, settleMs, equal, kills }: VerifyReport): string {
  const table = [
    ["what", "expected", "got", ""],
    ...checks.map(({ what, expected, got, equal }) => [
      what,
      String(expected),
      String(got),
      equal ? "equal" : "DIFFERS",
    ]),
  ];
  const widths = [0, 1, 2].map((i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const lines = table.map(([what = "", expected = "", got = "", outcome = ""]) =>
    `  ${what.padEnd(widths[0] ?? 0)}  ${expected.padStart(widths[1] ?? 0)}  ${got.padStart(widths[2] ?? 0)}  ${outcome}`.trimEnd(),
  );
  const examples = checks.flatMap((check) => check.examples.map((example) => `  ${check.what}: ${example}`));
  const seconds = replay.elapsedMs / 1000;
  return `${[
    "",
    ...lines,
    ...(examples.length === 0 ? [] : ["", "Some of the differences:", ...examples]),
    "",
    `Played ${replay.rows} rows (${replay.readings} readings) in ${seconds.toFixed(1)} s: ` +
      `${Math.round(replay.rows / seconds)} messages/s, ${Math.round(replay.readings / seconds)} readings/s. ` +
      `Processed and stored ${(settleMs / 1000).toFixed(1)} s later.`,
    `Killed: gateway ${kills.gateway} times, NATS ${kills.nats} times; ${replay.resent} messages sent again.`,
    equal ? "Everything is equal." : "NOT EQUAL.",
  ].join("\n")}\n`;
}

process.exitCode = await main();
