import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { UserError } from "../../domain/user-error.ts";
import { documentOf } from "./document.ts";
import { runChecks } from "./run.ts";
import { runSequences } from "./sequences/run.ts";
import { rowsOf, summaryOf, textTable } from "./table.ts";
import { outsideTarget, startWeir } from "./target.ts";

const USAGE = `Tests a broker against every normative statement of MQTT 3.1.1 and MQTT 5, over TCP, WebSocket and TLS, and with
generated sequences of packets against an independent model. Prints a table of the statements.

Usage: test:conformance [options]
  --target <url>      another broker than Weir: mqtt://host:port; repeat it with ws:// and mqtts:// for these transports
  --check <text>      only checks whose name or statements contain this
  --mqtt <4|5>        only MQTT 3.1.1 (4) or MQTT 5
  --sequences <n>     how many sequences; default 1200
  --seed <n>          the seed of the first sequence; default random
  --trace             print the bytes of the checks that fail
  --document          write docs/mqtt-conformance.md
`;

/** Over TLS, one check of these runs: the bytes above it are the same as over TCP. */
const TLS_SHARE = 4;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", multiple: true, default: [] },
      check: { type: "string", default: "" },
      mqtt: { type: "string", default: "" },
      sequences: { type: "string", default: "1200" },
      seed: { type: "string", default: `${Math.floor(Math.random() * 1e9)}` },
      trace: { type: "boolean", default: false },
      document: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [sequences, seed] = [Number(values.sequences), Number(values.seed)];
  if (values.help || !Number.isInteger(sequences) || !Number.isInteger(seed) || !["", "4", "5"].includes(values.mqtt)) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const versions = ([4, 5] as const).filter((version) => values.mqtt === "" || values.mqtt === `${version}`);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const weir = values.target.length === 0 ? await startWeir() : undefined;
  const target = weir?.target ?? outsideTarget(values.target);
  try {
    let count = 0;
    const results = await runChecks({
      target,
      picked: ({ name, covers }, version, transport) => {
        const text = `${name} ${covers[version]?.join(" ")}`;
        const wanted = text.includes(values.check) && versions.includes(version);
        return wanted && (transport !== "tls" || count++ % TLS_SHARE === 0);
      },
      onResult: ({ check, version, transport, fault, trace }) => {
        if (fault === undefined) return;
        say(`FAIL ${check.name} (MQTT ${version}, ${transport}): ${fault}`);
        if (values.trace) for (const line of trace) say(`     ${line}`);
      },
    });
    const rows = rowsOf(results);
    say(textTable(rows));
    for (const { id, version, faults } of rows) for (const fault of faults) say(`${version} MQTT-${id} ${fault}`);
    const faults = await runSequences({ target, count: sequences, seed, versions, say, trace: values.trace });
    const summary = summaryOf(rows);
    say(
      `${summary.statements} statements, ${summary.tested} tested, ${summary.failed} failed; ${results.length} checks`,
    );
    say(`${sequences} sequences from seed ${seed}, ${faults} failed`);
    if (values.document) {
      await writeFile(fileURLToPath(new URL("../../../docs/mqtt-conformance.md", import.meta.url)), documentOf(rows));
    }
    return results.some(({ fault }) => fault !== undefined) || faults > 0 ? 1 : 0;
  } finally {
    await weir?.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
