import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { pino } from "pino";
import { type Broker, startBroker } from "../broker/broker.ts";
import { brokerConfigSchema } from "../broker/common/config.ts";
import { systemClock } from "../platform/clock.ts";
import { connectJetStreamLog } from "../platform/log/jetstream.ts";
import { createMetrics } from "../platform/metrics.ts";
import { launchNatsServer } from "../platform/nats-server/launch.ts";

const MESSAGES = 500;
/** Fewer than an edge takes: this is about latency. */
const RATE_PER_SECOND = 500;
const logger = pino({ level: "error" });

interface BenchEdge {
  readonly broker: Broker;
  stop(): Promise<void>;
}

/**
 * How long a message takes from its publish to its subscriber, on one edge and from one edge to another. The gate
 * accepts at once: the way to the readings log is not part of it.
 */
export async function benchCluster(): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), "weir-cluster-"));
  const server = await launchNatsServer({ dataDir, logger });
  process.stdout.write(`\nEdges: NATS ${server.version}, ${server.durability}; ms from publish to receipt\n`);
  print(["", "p50", "p99"]);
  try {
    const one = await openEdge(server, "one");
    await measureAll("one edge alone", one, one);
    const two = await openEdge(server, "two");
    await measureAll("one edge of two", one, one);
    await measureAll("from one edge to the other", one, two);
    await Promise.all([one.stop(), two.stop()]);
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  return true;
}

async function openEdge({ url, token }: { readonly url: string; readonly token: string }, name: string) {
  const each = { maxAgeMs: 3_600_000, maxBytes: 256 * 1_048_576 };
  const retention = { readings: each, windows: each, alerts: each, deadLetters: each };
  const log = await connectJetStreamLog({ servers: url, token, name, partitions: 1, retention, logger });
  const broker = await startBroker(brokerConfigSchema.parse({ mqtt_port: 0 }), {
    ...{ clock: systemClock, logger, metrics: createMetrics(), kept: { log, edge: name } },
    gate: { accept: (_message, done) => done() },
  });
  const edge: BenchEdge = {
    broker,
    async stop() {
      await broker.stop();
      await log.close();
    },
  };
  return edge;
}

async function measureAll(name: string, from: BenchEdge, to: BenchEdge): Promise<void> {
  for (const session of ["passing", "stored"] as const) {
    for (const qos of [0, 1] as const) {
      const times = await measure({ from, to, qos, clean: session === "passing" });
      print([`${name}, QoS ${qos}, ${session} session`, quantile(times, 0.5), quantile(times, 0.99)]);
    }
  }
}

interface Way {
  readonly from: BenchEdge;
  readonly to: BenchEdge;
  readonly qos: 0 | 1;
  readonly clean: boolean;
}

async function measure({ from, to, qos, clean }: Way): Promise<readonly number[]> {
  const subscriber = await connect(to, "subscriber", clean);
  const publisher = await connect(from, "publisher", true);
  const sentMs = new Map<string, number>();
  const times: number[] = [];
  subscriber.on("message", (_topic, payload) => {
    times.push(performance.now() - (sentMs.get(payload.toString()) ?? 0));
  });
  await subscriber.subscribeAsync("bench/#", { qos });
  for (let i = 0; i < MESSAGES; i++) {
    sentMs.set(`${i}`, performance.now());
    publisher.publish("bench/latency", `${i}`, { qos });
    await sleep(1_000 / RATE_PER_SECOND);
  }
  for (let waits = 0; times.length < MESSAGES && waits < 500; waits++) await sleep(10);
  if (times.length < MESSAGES) throw new Error(`${MESSAGES - times.length} of ${MESSAGES} messages did not arrive`);
  await subscriber.unsubscribeAsync("bench/#");
  await Promise.all([subscriber.endAsync(), publisher.endAsync()]);
  return times;
}

async function connect({ broker }: BenchEdge, clientId: string, clean: boolean): Promise<MqttClient> {
  const properties = clean ? {} : { sessionExpiryInterval: 60 };
  const options = { clientId, clean, protocolVersion: 5, properties } as const;
  return await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.address.mqttPort}`, options);
}

function quantile(values: readonly number[], part: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(1);
}

function print([name, ...figures]: readonly string[]): void {
  process.stdout.write(`  ${(name ?? "").padEnd(56)}${figures.map((figure) => figure.padStart(10)).join("")}\n`);
}
