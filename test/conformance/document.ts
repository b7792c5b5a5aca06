import { STATEMENTS, VERSION_NAMES } from "./run.ts";
import type { Row } from "./table.ts";
import { TRANSPORTS } from "./wire/wire.ts";

/** docs/mqtt-conformance.md: the table of a run. */
export function documentOf(rows: readonly Row[]): string {
  const parts = ([4, 5] as const).map((version) => {
    const own = rows.filter((row) => row.version === version);
    const lines = own.map(({ id, statement, verdicts }) => {
      const cells = TRANSPORTS.map((transport) => verdicts[transport]).join(" | ");
      const note = statement.none ?? (statement.watched === true ? "every packet" : "");
      return `| ${id} | ${statement.text} | ${cells} | ${note} |`;
    });
    const title = `## MQTT ${VERSION_NAMES[version]}: ${Object.keys(STATEMENTS[version]).length} statements`;
    return [
      title,
      "",
      "| MQTT- | Statement | TCP | WebSocket | TLS | Note |",
      "|---|---|---|---|---|---|",
      ...lines,
    ].join("\n");
  });
  return `${[HEAD, ...parts].join("\n\n")}\n`;
}

const HEAD = `# MQTT conformance

For those who connect devices: which statements of MQTT 3.1.1 and MQTT 5 Weir's broker was tested against. The numbers
are those of the OASIS standards (\`[MQTT-3.1.0-1]\`), the words are ours. \`npm run test:conformance -- --document\`
writes this page; \`--target mqtt://host:port\` tests another broker. A note says why a statement has no test. "Every
packet": each packet that the broker sends in the whole suite is examined. Over TLS, a quarter of the tests runs.`;
