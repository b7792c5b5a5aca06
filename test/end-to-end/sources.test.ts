import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { parse } from "yaml";
import { trialReportSchema } from "../../contracts/trials.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { duckdbRows, type Ended, startGateway, weir } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
const RULES = {
  "rules/hot.yaml": 'rules: [{ id: hot, where: { metric: x }, window: { tumbling: 1s }, aggregate: max, when: "> 5" }]',
};
const MESSAGES = [
  ["tele/plug-1/SENSOR", '{"Time":"2026-05-02T19:05:00","ENERGY":{"Power":3}}'],
  ["ulm/press-1/telemetry", '{"oil": 60.5, "tst": 1777748700}'],
  ["ulm/press-2/telemetry", '{"oil": 61, "tst": 1777748700}'],
  ["hall/n/lamp/power", "12,5 W"],
  ["hall/s/lamp/power", "13,5 W"],
] as const;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function command(gateway: GatewayProcess, ...args: string[]): Promise<Ended> {
  return weir(["sources", ...args], { cwd: gateway.dataDir, env: { WEIR_DATA_DIR: "." } });
}

async function connected(gateway: GatewayProcess): Promise<mqtt.MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => client.endAsync(true));
  return client;
}

async function publishAll(client: mqtt.MqttClient): Promise<void> {
  for (const [topic, payload] of MESSAGES) await client.publishAsync(topic, payload, { qos: 1 });
}

test("suggest listens to a live gateway; what it prints is put into weir.yaml and reads the messages at once", async () => {
  const gateway = await startGateway(undo, { files: RULES });
  const client = await connected(gateway);
  // Until the command listens, and while it does.
  const timer = setInterval(() => void publishAll(client).catch(() => {}), 500);
  const suggested = await command(gateway, "suggest", "--listen", "5s");
  clearInterval(timer);
  expect(suggested.code, suggested.output).toBe(0);
  expect(suggested.output).toMatch(/^# Sources for (\d+) of \1 messages that no source reads/);
  const { sources } = parse(suggested.output);
  expect(sources).toEqual(
    expect.arrayContaining([
      { use: "tasmota" },
      { topic: "ulm/{device}/telemetry", timestamp: { field: "tst" } },
      expect.objectContaining({ topic: "hall/{device}/lamp/{metric}", coerce: { decimal: ",", units: true } }),
    ]),
  );
  expect(sources).toHaveLength(3);
  await writeFile(join(gateway.dataDir, "weir.yaml"), suggested.output);
  await expect.poll(async () => (await gateway.metrics())?.get("weir_config_loads_total"), WAIT).toBe(1);
  const letters = async () => (await gateway.metrics())?.get("weir_ingest_dead_letters_total") ?? 0;
  const before = await letters();
  await publishAll(client);
  expect(await letters()).toBe(before);
  await expect.poll(async () => (await gateway.metrics())?.get("weir_storage_lag_messages"), WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT device, metric, value FROM readings ORDER BY device, metric",
  );
  expect(rows).toEqual([
    { device: "n", metric: "power", value: 12.5 },
    { device: "plug-1", metric: "ENERGY.Power", value: 3 },
    { device: "press-1", metric: "oil", value: 60.5 },
    { device: "press-2", metric: "oil", value: 61 },
    { device: "s", metric: "power", value: 13.5 },
  ]);
}, 180_000);

test("a dead letter is tried by the command and over HTTP alike, before and after the sources change", async () => {
  const gateway = await startGateway(undo, { files: RULES });
  const client = await connected(gateway);
  await publishAll(client);
  await client.publishAsync("sensors/n/cold-1/telemetry", '{"t": 21.5, "h": oops}', { qos: 1 });
  const tried = async (letter: number) => {
    const answer = await fetch(`http://127.0.0.1:${gateway.info.httpPort}/api/v1/dead-letters/${letter}/trial`);
    return answer.status === 200 ? trialReportSchema.parse(await answer.json()) : answer.status;
  };
  const printed = await command(gateway, "try", "--letter", "2");
  expect(printed.output).toContain("no source reads it; this one would:\n  - topic: ulm/{device}/telemetry\n");
  expect(await tried(2)).toMatchObject({
    trials: [{ outcome: "other-topic" }, { outcome: "other-topic" }],
    suggestion: { yaml: "- topic: ulm/{device}/telemetry\n  timestamp:\n    field: tst" },
  });
  const [taken] = ((await tried(6)) as { trials: unknown[] }).trials;
  expect(taken).toMatchObject({ outcome: "read", reason: "bad-payload", position: 17, count: 1 });
  expect(await tried(99)).toBe(404);
  expect((await command(gateway, "try", "--letter", "99")).output).toContain("there is no dead letter 99");

  await writeFile(join(gateway.dataDir, "weir.yaml"), 'sources: [{ topic: "ulm/{device}/telemetry" }]\n');
  await expect.poll(async () => (await gateway.metrics())?.get("weir_config_loads_total"), WAIT).toBe(1);
  const reading = { device: "press-1", tags: {}, metric: "oil", value: 60.5 };
  expect(await tried(2)).toMatchObject({
    trials: [{ outcome: "read", why: "", readings: expect.arrayContaining([expect.objectContaining(reading)]) }],
  });
  expect((await command(gateway, "try", "--letter", "2")).output).toContain(
    "press-1 oil = 60.5 (number) at its receipt",
  );
}, 120_000);

test.each([
  [["suggest", "--listen", "soon"], "--listen soon is not a duration up to 1h, as 10s"],
  [
    ["suggest", "--listen", "1s", "--broker", "mqtt://u:secret@127.0.0.1:1"],
    "the broker mqtt://127.0.0.1:1 cannot be reached",
  ],
])("weir sources %j says what is wrong", async (args, message) => {
  const { code, output } = await weir(["sources", ...args], { cwd: "/" });
  expect(code).toBe(1);
  expect(output).toContain(message);
  expect(output).not.toContain("secret");
});
