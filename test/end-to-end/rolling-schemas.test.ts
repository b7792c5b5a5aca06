import { join } from "node:path";
import { SchemaRegistry, SchemaType } from "@kafkajs/confluent-schema-registry";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { duckdbRows, startGateway } from "./kit.ts";

const WAIT = { timeout: 60_000, interval: 100 };
const DEVICES = 20;
const ROUNDS = 60;
/** The round in which the next version is registered; each device sends it some rounds later than the one before. */
const CHANGED_AT = 15;
const START_MS = Date.UTC(2026, 0, 1);
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function boiler(...more: readonly object[]): string {
  const time = { name: "ts", type: { type: "long", logicalType: "timestamp-millis" } };
  return JSON.stringify({ type: "record", name: "Boiler", fields: [time, { name: "t", type: "float" }, ...more] });
}

test("devices change to another version of their schema one by one, while all send: every reading is stored", async () => {
  const source = { topic: "boilers/{device}", format: "avro", schema: "boiler-value" };
  const files = { "rules/none.yaml": "rules: []\n", "weir.yaml": JSON.stringify({ sources: [source] }) };
  const gateway = await startGateway(undo, { files });
  // It knows nothing of Weir: it registers, and serializes by the ids that it gets.
  const registry = new SchemaRegistry({ host: `http://127.0.0.1:${gateway.info.httpPort}` });
  const register = (schema: string) =>
    registry.register({ type: SchemaType.AVRO, schema }, { subject: "boiler-value" });
  const first = await register(boiler());
  let second: { readonly id: number } | undefined;
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => client.endAsync(true));
  let sentOfSecond = 0;
  async function send(device: number, round: number): Promise<void> {
    const isNew = second !== undefined && round > CHANGED_AT + device;
    const values = { ts: START_MS + round, t: round / 2, ...(isNew ? { unit: "K", pressure: 2.5 } : {}) };
    if (isNew) sentOfSecond++;
    const payload = await registry.encode((isNew ? second : first)?.id ?? 0, values);
    await client.publishAsync(`boilers/b${device}`, payload, { qos: 1 });
  }
  for (let round = 0; round < ROUNDS; round++) {
    const sent = Array.from({ length: DEVICES }, (_, device) => send(device, round));
    // While they send.
    if (round === CHANGED_AT) {
      second = await register(
        boiler(
          { name: "unit", type: "string", default: "degC" },
          { name: "pressure", type: ["null", "double"], default: null },
        ),
      );
    }
    await Promise.all(sent);
  }
  expect(second?.id).not.toBe(first.id);
  const { text } = await gateway.get("/api/v1/dead-letters");
  expect(JSON.parse(text).letters.map(({ detail }: { readonly detail: string }) => detail)).toEqual([]);
  const lag = async () => (await gateway.metrics())?.get("weir_storage_lag_messages");
  await expect.poll(lag, WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    `SELECT count(*) FILTER (metric = 't')::INTEGER AS temperatures,
       count(*) FILTER (metric = 'pressure')::INTEGER AS pressures,
       count(*) FILTER (metric = 'unit' AND text = 'K')::INTEGER AS named,
       sum(value) FILTER (metric = 't') AS total FROM readings`,
  );
  const total = DEVICES * ((ROUNDS * (ROUNDS - 1)) / 4);
  const wanted = { temperatures: DEVICES * ROUNDS, pressures: sentOfSecond, named: sentOfSecond, total };
  expect(rows).toEqual([wanted]);
  expect(sentOfSecond).toBeGreaterThan(DEVICES);
}, 120_000);
