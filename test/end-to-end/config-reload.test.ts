import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { type SourcesInForce, sourcesSchema } from "../../contracts/sources.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { duckdbRows, startGateway } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 50 };
const CLIENTS = 4;
const RULES = {
  "rules/hot.yaml": 'rules: [{ id: hot, where: { metric: x }, window: { tumbling: 1s }, aggregate: max, when: "> 5" }]',
};
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Sources whose metrics begin with the number of the edit. */
function edited(edit: number): string {
  return `sources:\n  - { topic: "plant/{device}/telemetry", prefix: "e${edit}." }\n`;
}

async function write(gateway: GatewayProcess, text: string): Promise<void> {
  const file = join(gateway.dataDir, "weir.yaml");
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Publishes counted messages until it is stopped, each after the acknowledgement of the one before. */
async function startDevice(port: number, name: string): Promise<{ stop(): Promise<number> }> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: name });
  let sent = 0;
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      sent++;
      await client.publishAsync(`plant/${name}/telemetry`, `{"n": ${sent}}`, { qos: 1 });
    }
  })();
  const stop = async () => {
    isStopped = true;
    await running;
    return sent;
  };
  undo.push(async () => {
    isStopped = true;
    await client.endAsync(true);
  });
  return { stop };
}

async function sourcesOf(gateway: GatewayProcess): Promise<SourcesInForce> {
  const answer = await fetch(`http://127.0.0.1:${gateway.info.httpPort}/api/v1/sources`);
  return sourcesSchema.parse(await answer.json());
}

async function metric(gateway: GatewayProcess, name: string): Promise<number | undefined> {
  return (await gateway.metrics())?.get(name);
}

test("sources change under load: each message is read by the old or by the new ones, none is lost or doubled", async () => {
  const gateway = await startGateway(undo, {
    files: { ...RULES, "weir.yaml": edited(0) },
    flags: ["--config", "weir.yaml"],
  });
  const devices = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => startDevice(gateway.info.mqttPort, `press-${i}`)),
  );
  const received = async () => (await sourcesOf(gateway)).sources[0]?.messages ?? 0;
  for (let edit = 1; edit <= 4; edit++) {
    await write(gateway, edited(edit));
    await expect.poll(() => metric(gateway, "weir_config_loads_total"), WAIT).toBe(edit);
    await expect.poll(received, WAIT).toBeGreaterThan(CLIENTS * 5);
    if (edit % 2 === 0) continue;
    // A file with an error changes nothing, and each place says so.
    await write(gateway, edited(edit + 1).replace("{device}", "device"));
    await expect.poll(() => metric(gateway, "weir_config_bad"), WAIT).toBe(1);
    const { file } = await sourcesOf(gateway);
    expect(file).toMatchObject({ errors: 1, problems: [{ file: "weir.yaml", line: 2 }] });
    expect(file.problems[0]?.message).toContain("{device} is missing");
    const ready = await (await fetch(`http://127.0.0.1:${gateway.info.httpPort}/readyz`)).text();
    expect(ready).toContain("The configuration has problems (weir.yaml:2)");
    const before = await received();
    await expect.poll(received, WAIT).toBeGreaterThan(before + CLIENTS * 5);
  }
  const sent = await Promise.all(devices.map((device) => device.stop()));
  expect((await sourcesOf(gateway)).file).toEqual({ errors: 0, problems: [], waiting: [] });
  await expect.poll(() => metric(gateway, "weir_storage_lag_messages"), WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT device, metric, value::INTEGER AS n FROM readings ORDER BY device, n",
  );
  for (const [i, count] of sent.entries()) {
    const own = rows.filter(({ device }) => device === `press-${i}`);
    expect(own.map(({ n }) => Number(n))).toEqual(Array.from({ length: count }, (_, n) => n + 1));
    const edits = own.map((row) => Number(/^e(\d)\.n$/.exec(String(row.metric))?.[1]));
    expect(edits, "no message is read by older sources than the one before").toEqual([...edits].sort());
    expect(new Set(edits)).toEqual(new Set([0, 1, 2, 3, 4]));
  }
}, 180_000);

test("a letter is retried by sources that changed while the gateway runs; other settings are said to wait", async () => {
  const gateway = await startGateway(undo, { files: RULES });
  const base = `http://127.0.0.1:${gateway.info.httpPort}`;
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  await client.publishAsync("plant/press-1/telemetry", '{"n": 1}', { qos: 1 });
  await client.endAsync();
  // The file did not exist when the gateway started.
  await write(gateway, `${edited(1)}broker: { limits: { clients_max: 900 } }\n`);
  await expect.poll(async () => (await sourcesOf(gateway)).file.waiting, WAIT).toEqual(["broker.limits"]);
  const retried = await fetch(`${base}/api/v1/dead-letters/1/retry`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(await retried.json()).toMatchObject({ outcome: "stored" });
  const listeners = await (await fetch(`${base}/api/v1/listeners`)).json();
  expect(listeners).toMatchObject({ topics: ["plant/{device}/telemetry"] });
}, 120_000);
