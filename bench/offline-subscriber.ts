import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { createLogger } from "../platform/logger.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";
import { spawnLoad } from "../test/load/spawn-load.ts";
import { median, printTable } from "./figures.ts";
import type { Peer } from "./peers/peer.ts";
import { startEdge } from "./peers/start-edge.ts";

const ROUNDS = 5;
const SECONDS = 5;
const TARGET = 0.5;
const PLAIN = "plain";
const QUEUED = "one offline subscriber";
const TOPICS = { [PLAIN]: "sensors/plain/{device}/telemetry", [QUEUED]: "sensors/queued/{device}/telemetry" };

/**
 * Message rate of the durable edge for topics with one persistent subscriber that is offline, compared with topics
 * that nobody subscribes to. Its queue is full for most of a round: the oldest messages go.
 */
export async function benchOfflineSubscriber(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bench-"));
  const nats = await launchNatsServer({
    dataDir: join(folder, "nats"),
    logger: createLogger({ level: "warn", pretty: false, name: "bench" }),
  });
  let edge: Peer | undefined;
  try {
    edge = await startEdge(folder, nats);
    await subscribeAndLeave(edge.port, "sensors/queued/#");
    const rates: Record<keyof typeof TOPICS, number[]> = { [PLAIN]: [], [QUEUED]: [] };
    // Alternates, so that a slow phase of the machine affects both.
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of [PLAIN, QUEUED] as const) rates[name].push(await rateOf(edge, TOPICS[name]));
    }
    return report(rates[PLAIN], rates[QUEUED]);
  } finally {
    await edge?.stop();
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function rateOf(edge: Peer, topic: string): Promise<number> {
  const load = { port: edge.port, clients: 100, inflightPerClient: 20, seconds: SECONDS, warmupSeconds: 1 };
  const { rate, failedClients, firstError } = await spawnLoad({ ...load, topic, qos: 1 });
  if (failedClients > 0) throw new Error(`${failedClients} clients failed: ${firstError}`);
  return rate;
}

function report(plain: readonly number[], queued: readonly number[]): boolean {
  const ratio = median(queued.map((rate, round) => rate / (plain[round] ?? Number.NaN)));
  process.stdout.write(`\nPersistent subscriber that is offline, QoS 1 (medians of ${plain.length})\n`);
  printTable([
    ["", "messages/s"],
    [PLAIN, Math.round(median(plain))],
    [QUEUED, Math.round(median(queued))],
  ]);
  process.stdout.write(`  queued / plain, round by round: median ${ratio.toFixed(2)} (target ${TARGET})\n`);
  return ratio >= TARGET;
}

async function subscribeAndLeave(port: number, filter: string): Promise<void> {
  const client = await mqtt.connectAsync({ port, clientId: "offline", clean: false });
  await client.subscribeAsync(filter, { qos: 1 });
  await client.endAsync();
}
