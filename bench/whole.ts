import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { spawnLoad } from "../test/load/spawn-load.ts";
import { GatewayProcess } from "../test/servers/gateway-process.ts";
import { measureAlertLatency } from "./alert-latency.ts";
import { countFeed } from "./feed-counter.ts";
import { median, printTable } from "./figures.ts";
import { processCpu } from "./peers/process-cpu.ts";

interface WholeOptions {
  readonly seconds: number;
  /** Messages per second. */
  readonly rate: number;
}

const DEVICES = 500;
const METRICS = 3;
const STORED_MS_MAX = 120_000;
const RATE_TARGET = 15_000;
const LATENCY_TARGET_MS = 100;
/** Memory in the last third of the run relative to the middle third; anything above is a leak. */
const GROWTH_MAX = 1.1;

const RULES = `rules:
  - id: load-minute
    where: { device: "device-*" }
    window: { tumbling: 10s }
    aggregate: [avg, min, max, count]
  - id: load-hot
    where: { device: "device-*", metric: temperature }
    window: { tumbling: 10s }
    when: "> 90"
  - id: probe
    where: { device: "probe-*", metric: level }
    window: { tumbling: 1ms }
    aggregate: max
    when: "> 50"
`;

/** The whole pipeline, from MQTT to stored readings and the feed, at a fixed rate; then publish-to-alert latency. */
export async function benchWhole({ seconds, rate }: WholeOptions): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bench-"));
  const rulesDir = join(folder, "rules");
  const dataDir = join(folder, "data");
  await Promise.all([mkdir(rulesDir), mkdir(dataDir)]);
  await writeFile(join(rulesDir, "load.yaml"), RULES);
  const main = fileURLToPath(new URL("../gateway/main.js", import.meta.url));
  const env = { WEIR_LOG_LEVEL: "warn" };
  const gateway = new GatewayProcess({ command: [process.execPath, main], dataDir, rulesDir, env, startMsMax: 60_000 });
  try {
    await gateway.start();
    const carried = await carryLoad(gateway, dataDir, { seconds, rate });
    const latency = await measureAlertLatency(gateway.info, { rate: 1000, probes: 300 });
    process.stdout.write(
      `\nPublish to alert on a WebSocket, at 1,000 messages/s beside it: ${latency.probes} probes\n`,
    );
    process.stdout.write(
      `  p50 ${latency.p50Ms.toFixed(1)} ms, p99 ${latency.p99Ms.toFixed(1)} ms (target ${LATENCY_TARGET_MS} ms)\n`,
    );
    await gateway.stop(60_000);
    const stored = await countStored(join(dataDir, "history.duckdb"));
    const expected = carried.acknowledged * METRICS;
    process.stdout.write(
      `\nStored readings of the load: ${stored} of ${expected}: ${stored === expected ? "equal" : "NOT EQUAL"}\n`,
    );
    return stored === expected && carried.good && latency.p99Ms < LATENCY_TARGET_MS;
  } finally {
    await gateway.stop(60_000);
    await gateway.endLeftovers();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Carried {
  readonly acknowledged: number;
  readonly good: boolean;
}

async function carryLoad(gateway: GatewayProcess, dataDir: string, options: WholeOptions): Promise<Carried> {
  const { info } = gateway;
  const { seconds, rate } = options;
  const natsPid: number = JSON.parse(await readFile(join(dataDir, "nats.json"), "utf8")).pid;
  const feed = await countFeed(info.httpPort);
  const memory = watchMemory({ gateway: info.pid, nats: natsPid });
  const cpuBefore = await cpuOf(info.pid, natsPid);
  const load = await spawnLoad({
    port: info.mqttPort,
    clients: DEVICES,
    inflightPerClient: 20,
    devices: DEVICES,
    seconds,
    rate,
    qos: 1,
  });
  const loadEndedMs = performance.now();
  const before = await storedByMetrics(gateway);
  await waitUntilStored(gateway, load.acknowledged * METRICS);
  const drainMs = performance.now() - loadEndedMs;
  const cpu = await cpuOf(info.pid, natsPid);
  const samples = memory.stop();
  const metrics = (await gateway.metrics()) ?? new Map<string, number>();
  feed.close();
  const perMessage = (after: number, first: number) => (((after - first) * 1e6) / load.acknowledged).toFixed(1);
  const growth = thirdsRatio(samples.gateway);
  process.stdout.write(
    `\nWhole way: ${DEVICES} devices, ${METRICS} metrics a message, QoS 1, ${seconds} s at ${rate} messages/s\n`,
  );
  printTable([
    ["figure", "value"],
    ["acknowledged messages/s", load.rate],
    ["readings/s", load.rate * METRICS],
    ["failed clients", load.failedClients],
    ["PUBACK p50 / p99 ms", `${load.latency.p50Ms.toFixed(1)} / ${load.latency.p99Ms.toFixed(1)}`],
    ["stored when the load ended", `${before} of ${load.acknowledged * METRICS}`],
    ["all stored after", `${(drainMs / 1000).toFixed(1)} s`],
    ["feed updates received", feed.items()],
    ["gateway CPU us/message", perMessage(cpu.gateway, cpuBefore.gateway)],
    ["NATS CPU us/message", perMessage(cpu.nats, cpuBefore.nats)],
    ["load CPU us/message", ((load.cpuSeconds * 1e6) / load.acknowledged).toFixed(1)],
    ["gateway memory MB, by sixths", sixths(samples.gateway).join(" ")],
    ["NATS memory MB, by sixths", sixths(samples.nats).join(" ")],
    ["memory, last third / middle third", growth.toFixed(2)],
    [
      "log bytes per reading",
      ((metrics.get("weir_ingest_frame_bytes_total") ?? 0) / (metrics.get("weir_ingest_readings_total") ?? 1)).toFixed(
        1,
      ),
    ],
    [
      "readings per frame",
      ((metrics.get("weir_ingest_readings_total") ?? 0) / (metrics.get("weir_ingest_frames_total") ?? 1)).toFixed(1),
    ],
  ]);
  const good = load.failedClients === 0 && load.rate >= Math.min(rate, RATE_TARGET) * 0.99 && growth < GROWTH_MAX;
  return { acknowledged: load.acknowledged, good };
}

async function cpuOf(gateway: number, nats: number): Promise<{ gateway: number; nats: number }> {
  const [one, two] = await Promise.all([processCpu(gateway), processCpu(nats)]);
  return { gateway: one.totalSeconds, nats: two.totalSeconds };
}

async function storedByMetrics(gateway: GatewayProcess): Promise<number> {
  return (await gateway.metrics())?.get("weir_storage_points_total") ?? 0;
}

/** The store also counts windows, so this waits for at least as many points as readings, and for the lag to end. */
async function waitUntilStored(gateway: GatewayProcess, readings: number): Promise<void> {
  const untilMs = performance.now() + STORED_MS_MAX;
  while (performance.now() < untilMs) {
    const metrics = await gateway.metrics();
    const lag = metrics?.get("weir_storage_lag_messages") ?? 1;
    if ((metrics?.get("weir_storage_points_total") ?? 0) >= readings && lag === 0) return;
    await delay(200);
  }
  process.stdout.write("  not everything was stored in time\n");
}

async function countStored(file: string): Promise<number> {
  const instance = await DuckDBInstance.create(file, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const result = await connection.runAndReadAll("SELECT count(*) FROM readings WHERE device LIKE 'device-%'");
  const count = Number(result.getRows()[0]?.[0] ?? 0);
  connection.closeSync();
  instance.closeSync();
  return count;
}

/** Resident memory, sampled every second, in MB. */
function watchMemory(pids: { readonly gateway: number; readonly nats: number }) {
  const samples = { gateway: [] as number[], nats: [] as number[] };
  const timer = setInterval(async () => {
    for (const name of ["gateway", "nats"] as const) {
      const status = await readFile(`/proc/${pids[name]}/status`, "utf8").catch(() => "");
      const kilobytes = /VmRSS:\s+(\d+)/.exec(status)?.[1];
      if (kilobytes !== undefined) samples[name].push(Number(kilobytes) / 1024);
    }
  }, 1000);
  return {
    stop() {
      clearInterval(timer);
      return samples;
    },
  };
}

function sixths(samples: readonly number[]): number[] {
  return Array.from({ length: 6 }, (_, i) => Math.round(median(part(samples, i / 6, (i + 1) / 6))));
}

function thirdsRatio(samples: readonly number[]): number {
  return median(part(samples, 2 / 3, 1)) / median(part(samples, 1 / 3, 2 / 3));
}

function part(samples: readonly number[], from: number, to: number): readonly number[] {
  return samples.slice(Math.floor(samples.length * from), Math.max(1, Math.floor(samples.length * to)));
}
