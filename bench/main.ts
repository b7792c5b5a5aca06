import { parseArgs } from "node:util";
import { benchBackfill } from "./backfill.ts";
import { benchBrokerStore } from "./broker-store.ts";
import { benchChangingDevices } from "./changing-devices.ts";
import { benchCluster } from "./cluster.ts";
import { benchEdge } from "./edge.ts";
import { benchEngine } from "./engine.ts";
import { benchEngineScale } from "./engine-scale.ts";
import { benchEngineWindows } from "./engine-windows.ts";
import { benchFeed } from "./feed.ts";
import { benchFormats } from "./formats.ts";
import { benchPage } from "./page.ts";
import { benchWhole } from "./whole.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string" },
    rate: { type: "string", default: "15000" },
    devices: { type: "string", default: "100000" },
    charts: { type: "string", default: "50" },
  },
});
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);

const BENCHES: Readonly<Record<string, () => Promise<boolean>>> = {
  "broker-store": () => benchBrokerStore(),
  "changing-devices": () => benchChangingDevices({ devices: Number(values.devices) }),
  cluster: () => benchCluster(),
  edge: () => benchEdge({ rounds: Number(values.rounds), seconds: seconds ?? 5 }),
  engine: async () => {
    const reached = [await benchEngine(), await benchEngineScale(), await benchBackfill()];
    return reached.every(Boolean);
  },
  "engine-windows": async () => benchEngineWindows(),
  feed: () => benchFeed({ seconds: seconds ?? 10 }),
  formats: () => benchFormats(),
  page: () => benchPage({ seconds: seconds ?? 60, charts: Number(values.charts) }),
  whole: () => benchWhole({ seconds: seconds ?? 180, rate: Number(values.rate) }),
};

const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
let reached = true;
for (const name of names) {
  const bench = BENCHES[name];
  if (bench === undefined) {
    process.stderr.write(`unknown bench "${name}"; the benches are ${Object.keys(BENCHES).join(", ")}\n`);
    process.exit(2);
  }
  reached = (await bench()) && reached;
}
process.stdout.write(reached ? "\nAll targets were reached.\n" : "\nNot all targets were reached.\n");
process.exit(reached ? 0 : 1);
