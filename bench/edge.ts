import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../platform/logger.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";
import { spawnLoad } from "../test/load/spawn-load.ts";
import { median, printTable } from "./figures.ts";
import type { Peer } from "./peers/peer.ts";
import { processCpu } from "./peers/process-cpu.ts";
import { startEdge } from "./peers/start-edge.ts";
import { startBareAedes, startMosquitto } from "./peers/start-peers.ts";

interface EdgeOptions {
  readonly rounds: number;
  readonly seconds: number;
}

const SETTINGS = [
  { name: "1 in flight x 500 clients", clients: 500, inflightPerClient: 1, target: 0.85 },
  { name: "20 in flight x 100 clients", clients: 100, inflightPerClient: 20, target: 0.8 },
];

/** Of the rate with MQTT 3.1.1. */
const TARGET_5 = 0.95;

/** Message rate of the durable edge (broker, ingest, NATS with fsync), compared with brokers that store nothing. */
export async function benchEdge({ rounds, seconds }: EdgeOptions): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bench-"));
  const logger = createLogger({ level: "warn", pretty: false, name: "bench" });
  const nats = await launchNatsServer({ dataDir: join(folder, "nats"), logger });
  const peers: Measured[] = [];
  let reached = true;
  try {
    const edge = await startEdge(folder, nats);
    const newer = { ...edge, name: "weir edge, MQTT 5", version: 5 } as const;
    peers.push(edge, newer, await startBareAedes(), await startMosquitto());
    for (const setting of SETTINGS) {
      const runs = new Map(peers.map(({ name }) => [name, [] as Run[]]));
      // Alternates between brokers, so that a slow phase of the machine affects all of them.
      for (let round = 0; round < rounds; round++) {
        for (const peer of peers) runs.get(peer.name)?.push(await measure(peer, nats.pid, { ...setting, seconds }));
      }
      reached = report(setting, runs) && reached;
    }
  } finally {
    for (const peer of peers) await peer.stop();
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return reached;
}

interface Measured extends Peer {
  readonly version?: 5;
}

interface Run {
  readonly rate: number;
  readonly cpuUs: number;
  readonly natsCpuUs: number;
  readonly loadCpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function measure(
  peer: Measured,
  natsPid: number,
  load: { clients: number; inflightPerClient: number; seconds: number },
): Promise<Run> {
  const { clients, inflightPerClient, seconds } = load;
  const before = { peer: await processCpu(peer.pid), nats: await processCpu(natsPid) };
  const report = await spawnLoad({
    ...{ port: peer.port, version: peer.version ?? 4, clients, inflightPerClient, seconds, qos: 1 },
  });
  if (report.failedClients > 0)
    throw new Error(`${peer.name}: ${report.failedClients} clients failed: ${report.firstError}`);
  const after = { peer: await processCpu(peer.pid), nats: await processCpu(natsPid) };
  const perMessage = (cpuSeconds: number) => (cpuSeconds * 1e6) / report.acknowledged;
  return {
    rate: report.rate,
    cpuUs: perMessage(after.peer.totalSeconds - before.peer.totalSeconds),
    natsCpuUs: perMessage(after.nats.totalSeconds - before.nats.totalSeconds),
    loadCpuUs: perMessage(report.cpuSeconds),
    p50Ms: report.latency.p50Ms,
    p99Ms: report.latency.p99Ms,
  };
}

function report(setting: { name: string; target: number }, runs: ReadonlyMap<string, readonly Run[]>): boolean {
  const weir = runs.get("weir edge") ?? [];
  const ratioOf = (above: readonly Run[], below: readonly Run[]) =>
    median(above.map(({ rate }, round) => rate / (below[round]?.rate ?? Number.NaN)));
  const ratio = ratioOf(weir, runs.get("bare aedes") ?? []);
  const ratioOf5 = ratioOf(runs.get("weir edge, MQTT 5") ?? [], weir);
  process.stdout.write(`\n${setting.name}, QoS 1, three metrics a message (medians of ${weir.length})\n`);
  const of = (list: readonly Run[], figure: keyof Run) => median(list.map((run) => run[figure]));
  printTable([
    ["", "messages/s", "CPU us/message", "NATS CPU us", "load CPU us", "p50 ms", "p99 ms"],
    ...[...runs].map(([name, list]) => [
      name,
      Math.round(of(list, "rate")),
      of(list, "cpuUs").toFixed(1),
      name.startsWith("weir") ? of(list, "natsCpuUs").toFixed(1) : "-",
      of(list, "loadCpuUs").toFixed(1),
      of(list, "p50Ms").toFixed(1),
      of(list, "p99Ms").toFixed(1),
    ]),
  ]);
  process.stdout.write(`  weir / bare aedes, round by round: median ${ratio.toFixed(2)} (target ${setting.target})\n`);
  process.stdout.write(`  MQTT 5 / 3.1.1, round by round: median ${ratioOf5.toFixed(2)} (target ${TARGET_5})\n`);
  return ratio >= setting.target && ratioOf5 >= TARGET_5;
}
