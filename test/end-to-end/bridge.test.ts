import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { startMosquitto } from "../servers/mosquitto.ts";
import { duckdbRows, startGateway } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
const PER_ROUND = 3_000;
const START_MS = Date.UTC(2026, 0, 1);
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Resolves when the outside broker has acknowledged all of them. */
async function publishRound(client: mqtt.MqttClient, round: number): Promise<void> {
  const sent = Array.from({ length: PER_ROUND }, (_, i) => {
    const n = round * PER_ROUND + i;
    const payload = JSON.stringify({ ts: START_MS + n, n });
    return client.publishAsync(`sensors/s/d${n % 10}/telemetry`, payload, { qos: 1 });
  });
  await Promise.all(sent);
}

test("messages of an outside broker arrive once each, although the gateway is killed meanwhile", async () => {
  const outside = await startMosquitto();
  undo.push(outside.stop);
  const files = {
    "rules/none.yaml": "rules: []\n",
    "weir.yaml": `bridges: [{ name: outside, url: "${outside.url}", in: [{ remote: "sensors/#" }] }]\n`,
  };
  // It runs in its folder, where it finds the file.
  const gateway = await startGateway(undo, { files });
  const client = await mqtt.connectAsync(outside.url);
  undo.push(() => client.endAsync(true));
  const stored = async () => (await gateway.metrics())?.get("weir_storage_points_total") ?? 0;

  await publishRound(client, 0);
  await expect.poll(stored, WAIT).toBe(PER_ROUND);
  const second = publishRound(client, 1);
  await gateway.kill();
  await second;
  await publishRound(client, 2);
  await gateway.start();
  await publishRound(client, 3);

  const sent = 4 * PER_ROUND;
  const answered = async () => {
    const { text } = await gateway.get("/api/v1/devices");
    const devices: { readonly metrics: { readonly n?: { readonly value: number } } }[] = JSON.parse(text).devices;
    return Math.max(...devices.map(({ metrics }) => metrics.n?.value ?? 0));
  };
  await expect.poll(answered, WAIT).toBe(sent - 1);
  // Also when the outside broker is away for a moment.
  await outside.pause();
  const notice = async () => (await gateway.get("/readyz")).text;
  await expect.poll(notice, WAIT).toContain("bridge outside: not connected to mqtt://127.0.0.1");
  // Devices of this gateway are not turned away for that.
  expect((await gateway.get("/readyz")).ok).toBe(true);
  await outside.resume();
  await expect.poll(notice, WAIT).not.toContain("bridge outside");
  await publishRound(client, 4);
  await expect.poll(answered, WAIT).toBe(sent + PER_ROUND - 1);
  await expect.poll(async () => (await gateway.metrics())?.get("weir_storage_lag_messages"), WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const file = join(gateway.dataDir, "history.duckdb");
  const rows = await duckdbRows(
    file,
    "SELECT count(*) AS all_rows, count(DISTINCT value) AS different, max(value) AS newest FROM readings",
  );
  const all = String(sent + PER_ROUND);
  expect(rows).toEqual([{ all_rows: all, different: all, newest: sent + PER_ROUND - 1 }]);
}, 120_000);
