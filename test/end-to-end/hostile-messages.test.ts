import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { hostileMessages } from "../hostile/payloads.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startMosquitto } from "../servers/mosquitto.ts";
import { duckdbRows, startGateway } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
/**
 * An honest device is answered within this time, whatever others send. On a machine with a slow disk the bound is a
 * multiple of a calm acknowledgement, if that is longer.
 */
const PUBACK_MS_MAX = 1_500;
const CALM_TIMES_MAX = 10;
const CALM_MESSAGES = 10;
/** Size of one packet: from a device by default, and from an outside broker. */
const [PACKET_BYTES, BRIDGED_BYTES] = [256 * 1_024, 1_024 * 1_024];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/**
 * A device that publishes all the time; `stop` resolves to the time of its slowest acknowledgement, and to the bound.
 */
async function honestDevice(url: string) {
  const client = await mqtt.connectAsync(url, { clientId: "honest" });
  undo.push(() => client.endAsync(true));
  let sent = 0;
  async function publishOne(): Promise<number> {
    const startedMs = performance.now();
    await client.publishAsync("sensors/s/honest/telemetry", JSON.stringify({ ts: 1.7e9 + sent, n: sent }), { qos: 1 });
    sent++;
    return performance.now() - startedMs;
  }
  let calmMs = 0;
  for (let i = 0; i < CALM_MESSAGES; i++) calmMs = Math.max(calmMs, await publishOne());
  let [slowestMs, stopped] = [0, false];
  const running = (async () => {
    while (!stopped) {
      slowestMs = Math.max(slowestMs, await publishOne());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return { sent, slowestMs, boundMs: Math.max(PUBACK_MS_MAX, CALM_TIMES_MAX * calmMs) };
    },
  };
}

async function reasonsOf(gateway: GatewayProcess): Promise<Record<string, number>> {
  return JSON.parse((await gateway.get("/api/v1/dead-letters?limit=1")).text).reasons;
}

function countReasons(messages: readonly (readonly [string, string, string])[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, , reason] of messages) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

async function expectAccounts(gateway: GatewayProcess, messages: number, deadLetters: number): Promise<void> {
  const names = ["messages", "stored", "dead_letters", "dropped", "unkept"];
  const counts = async () => {
    const metrics = (await gateway.metrics()) ?? new Map<string, number>();
    return Object.fromEntries(names.map((name) => [name, metrics.get(`weir_ingest_${name}_total`) ?? 0]));
  };
  const stored = messages - deadLetters;
  await expect.poll(counts, WAIT).toEqual({ messages, stored, dead_letters: deadLetters, dropped: 0, unkept: 0 });
}

test("whatever a device sends, it is acknowledged, and an honest one beside it waits for nothing", async () => {
  const gateway = await startGateway(undo, { files: { "rules/none.yaml": "rules: []\n" } });
  const url = `mqtt://127.0.0.1:${gateway.info.mqttPort}`;
  const honest = await honestDevice(url);
  const hostile = await mqtt.connectAsync(url, { clientId: "hostile", reconnectPeriod: 0 });
  undo.push(() => hostile.endAsync(true));
  let closed = 0;
  hostile.on("close", () => closed++);
  const messages = hostileMessages(PACKET_BYTES);
  for (const [topic, payload] of messages) await hostile.publishAsync(topic, payload, { qos: 1 });
  // And all at once.
  await Promise.all(messages.map(([topic, payload]) => hostile.publishAsync(topic, payload, { qos: 1 })));
  // Names of the greatest length, of letters of several bytes.
  const [site, device, metric] = ["s".repeat(256), "é".repeat(128), "😀".repeat(64)];
  await hostile.publishAsync(`sensors/${site}/${device}/telemetry`, JSON.stringify({ ts: 1.7e9, [metric]: 7 }), {
    qos: 1,
  });
  const { sent, slowestMs, boundMs } = await honest.stop();
  expect(closed).toBe(0);
  expect(sent).toBeGreaterThan(CALM_MESSAGES);
  expect(slowestMs).toBeLessThan(boundMs);

  await expectAccounts(gateway, sent + 2 * messages.length + 1, 2 * messages.length);
  expect(await reasonsOf(gateway)).toEqual(countReasons([...messages, ...messages]));
  const goodParts = 2 * messages.filter(([, payload]) => payload.includes('"u": 1')).length;
  const points = sent + 1 + goodParts;
  await expect.poll(async () => (await gateway.metrics())?.get("weir_storage_points_total"), WAIT).toBe(points);
  await expect.poll(async () => (await gateway.metrics())?.get("weir_storage_lag_messages"), WAIT).toBe(0);
  expect((await gateway.get("/readyz")).ok).toBe(true);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT device, metric, count(*) AS n FROM readings GROUP BY ALL ORDER BY n",
  );
  expect(rows).toEqual([
    { device, metric, n: "1" },
    { device: "hostile", metric: "u", n: String(goodParts) },
    { device: "honest", metric: "n", n: String(sent) },
  ]);
}, 120_000);

test("whatever an outside broker sends, it is acknowledged, and the next good message arrives", async () => {
  const outside = await startMosquitto();
  undo.push(outside.stop);
  const files = {
    "rules/none.yaml": "rules: []\n",
    "weir.yaml": `bridges: [{ name: outside, url: "${outside.url}", in: [{ remote: "#" }] }]\n`,
  };
  const gateway = await startGateway(undo, { files });
  await gateway.ready(WAIT.timeout);
  const client = await mqtt.connectAsync(outside.url);
  undo.push(() => client.endAsync(true));
  const messages = hostileMessages(BRIDGED_BYTES);
  for (const [topic, payload] of messages) await client.publishAsync(topic, payload, { qos: 1 });
  await client.publishAsync("sensors/s/bridged/telemetry", '{"ts": 1700000000, "good": 1}', { qos: 1 });
  const answered = async () => (await gateway.get("/api/v1/devices")).text.includes('"bridged"');
  await expect.poll(answered, WAIT).toBe(true);
  await expectAccounts(gateway, messages.length + 1, messages.length);
  expect(await reasonsOf(gateway)).toEqual(countReasons(messages));
  expect(await gateway.stop(30_000)).toBe("code 0");

  // All are acknowledged: the outside broker has none of them left for the next start.
  await gateway.start();
  await gateway.ready(WAIT.timeout);
  await client.publishAsync("sensors/s/bridged-again/telemetry", '{"ts": 1700000001, "good": 2}', { qos: 1 });
  await expect
    .poll(async () => (await gateway.get("/api/v1/devices")).text.includes('"bridged-again"'), WAIT)
    .toBe(true);
  await expectAccounts(gateway, 1, 0);
}, 120_000);
