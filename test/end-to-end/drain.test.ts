import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import mqtt, { type MqttClient } from "mqtt";
import { pino } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { WeirProcess } from "../servers/weir-process.ts";
import { tempFolder, WEIR } from "./kit.ts";

vi.setConfig({ testTimeout: 180_000 });
const WAIT = { timeout: 60_000, interval: 50 };
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startProcesses() {
  const { path, remove } = await tempFolder({ "rules/none.yaml": "rules: []\n" });
  undo.push(remove);
  const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger: pino({ level: "silent" }) });
  undo.push(() => nats.stop());
  const env = { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, WEIR_RULES_DIR: join(path, "rules") };
  const make = (name: string, args: readonly string[]) => {
    const command = [process.execPath, WEIR];
    const one = new WeirProcess({ command, args, dataDir: join(path, name), env, startMsMax: 60_000 });
    undo.push(() => one.kill());
    return one;
  };
  const first = make("edge-1", ["run", "edge", "--mqtt-port", "0"]);
  const second = make("edge-2", ["run", "edge", "--mqtt-port", "0"]);
  const others = make("others", ["run", "feed", "storage", "processors", "--http-port", "0"]);
  await Promise.all([first, second, others].map((one) => one.start()));
  return { path, first, second, others, env };
}

function connect({ ports }: WeirProcess, clientId: string): Promise<MqttClient> {
  const options = { clientId, clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 600 } } as const;
  return mqtt.connectAsync(`mqtt://127.0.0.1:${ports.mqttPort}`, { ...options, reconnectPeriod: 0 });
}

test("weir drain and SIGTERM hand the clients of an edge over to another one", async () => {
  const { path, first, second, others, env } = await startProcesses();
  const readyz = async () => (await fetch(`http://127.0.0.1:${others.ports.httpPort}/readyz`)).status;
  await expect.poll(readyz, WAIT).toBe(200);
  const subscriber = await connect(first, "subscriber");
  await subscriber.subscribeAsync("jobs/#", { qos: 2 });
  const texts: string[] = [];
  const watch = (client: MqttClient) => client.on("message", (_topic, payload) => texts.push(payload.toString()));
  watch(subscriber);
  const publisher = await connect(second, "publisher");
  const reasons: (number | undefined)[] = [];
  subscriber.on("disconnect", ({ reasonCode }) => reasons.push(reasonCode));
  for (let i = 0; i < 20; i++) await publisher.publishAsync("jobs/1", `${i}`, { qos: 2 });
  await expect.poll(() => texts.length, WAIT).toBe(20);

  const args = [WEIR, "drain", "--data-dir", join(path, "edge-1"), "--format", "json"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
  expect(JSON.parse(stdout)).toMatchObject({ clients: 1, unfinished: 0, others: 1 });
  await expect.poll(() => reasons, WAIT).toEqual([0x9c]);
  await expect.poll(readyz, WAIT).toBe(503);
  await expect(connect(first, "late")).rejects.toThrow();

  for (let i = 20; i < 40; i++) await publisher.publishAsync("jobs/1", `${i}`, { qos: 2 });
  const again = mqtt.connect(`mqtt://127.0.0.1:${second.ports.mqttPort}`, {
    ...{ clientId: "subscriber", clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 600 } },
    reconnectPeriod: 0,
  });
  again.on("disconnect", ({ reasonCode }) => reasons.push(reasonCode));
  watch(again);
  await expect.poll(() => texts, WAIT).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`));
  expect(await first.stop()).toBe(0);
  // The last edge says that it stops.
  expect(await second.stop()).toBe(0);
  await expect.poll(() => reasons, WAIT).toEqual([0x9c, 0x8b]);
  await Promise.all([subscriber, publisher, again].map((client) => client.endAsync(true)));
});

test("weir drain names an edge that does not answer", async () => {
  const { path, remove } = await tempFolder({});
  undo.push(remove);
  const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger: pino({ level: "silent" }) });
  undo.push(() => nats.stop());
  const env = { ...process.env, WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token };
  const draining = promisify(execFile)(process.execPath, [WEIR, "drain", "--edge", "plant:/data"], { env, cwd: path });
  await expect(draining).rejects.toThrow('the edge "plant:/data" does not answer');
});
