import { setTimeout as delay } from "node:timers/promises";
import mqtt from "mqtt";
import { WebSocket } from "ws";
import { type ServerFrame, SUBPROTOCOL } from "../contracts/feed/protocol.ts";
import { spawnLoad } from "../test/load/spawn-load.ts";

interface Latency {
  readonly probes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const PAUSE_MS = 50;
const SETTLE_MS = 2_000;
const PROBE_MS_MAX = 10_000;

/**
 * The time from publishing the reading that makes a rule fire (or resolve) to the alert's arrival on a WebSocket,
 * under load. The rule has windows of a millisecond: a reading in the next window closes one, and that reading is
 * timed.
 */
export async function measureAlertLatency(
  ports: { readonly mqttPort: number; readonly httpPort: number },
  options: { readonly rate: number; readonly probes: number },
): Promise<Latency> {
  const { rate, probes } = options;
  const seconds = Math.ceil((SETTLE_MS + probes * PAUSE_MS * 2) / 1000) + 5;
  const load = spawnLoad({
    port: ports.mqttPort,
    clients: 100,
    inflightPerClient: 10,
    seconds,
    rate,
    clientIdPrefix: "latency",
    topic: "sensors/{site}/beside-{device}/telemetry",
  });
  const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqttPort}`);
  const socket = new WebSocket(`ws://127.0.0.1:${ports.httpPort}/feed`, SUBPROTOCOL);
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  let onAlert = () => {};
  socket.on("message", (data) => {
    const frame: ServerFrame = JSON.parse(String(data));
    if (frame.type === "update") onAlert();
  });
  socket.send(JSON.stringify({ type: "subscribe", id: "1", channel: "alerts", filter: { rule: "probe" } }));
  await delay(SETTLE_MS);
  const latencies: number[] = [];
  // Each probe changes the alert: firing, resolved, firing...
  for (let i = 0; i < probes; i++) {
    const arrived = new Promise<void>((resolve, reject) => {
      onAlert = resolve;
      setTimeout(() => reject(new Error(`probe ${i}: no alert in ${PROBE_MS_MAX} ms`)), PROBE_MS_MAX).unref();
    });
    const atMs = Date.now();
    const level = i % 2 === 0 ? 100 : 0;
    const topic = "sensors/bench/probe-1/telemetry";
    await device.publishAsync(topic, JSON.stringify({ ts: atMs, level }), { qos: 1 });
    const startedMs = performance.now();
    await device.publishAsync(topic, JSON.stringify({ ts: atMs + 5, level }), { qos: 1 });
    await arrived;
    latencies.push(performance.now() - startedMs);
    await delay(PAUSE_MS);
  }
  await device.endAsync();
  socket.terminate();
  await load;
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN;
  return { probes, p50Ms: at(0.5), p99Ms: at(0.99) };
}
