import { join } from "node:path";
import mqtt from "mqtt";
import { newClient } from "sparkplug-client";
import { afterEach, expect, test } from "vitest";
import { peerMetric, readSparkplug, sparkplugPayload } from "../../ingest/testing/sparkplug-peer.ts";
import { duckdbRows, startGateway, watchAlerts } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
const FILES = {
  "weir.yaml": `
sources:
  - topic: "spBv1.0/{group}/+/{device}"
    format: sparkplug
  - topic: "spBv1.0/{group}/+/{node}/{device}"
    format: sparkplug
ingest:
  sparkplug: { host_id: weir-test }
`,
  "rules/silent.yaml": `
rules:
  - { id: silent, absent: 1h, where: { metric: "*temp" } }
`,
};
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface EdgeNode {
  readonly client: ReturnType<typeof newClient>;
  readonly commands: unknown[];
  births: number;
  /** Cuts the connection, as a power failure does. */
  cut(): void;
}

/** An edge node by a library that knows nothing of Weir. It is born at each connection, and when it is asked. */
function startNode(port: number, edgeNode: string): EdgeNode {
  const client = newClient({
    ...{ serverUrl: `mqtt://127.0.0.1:${port}`, username: "", password: "", groupId: "plant", edgeNode },
    ...{ clientId: edgeNode, version: "spBv1.0", mqttOptions: { reconnectPeriod: 200 } },
  });
  const node: EdgeNode = {
    client,
    commands: [],
    births: 0,
    cut() {
      const { client: inner } = client as unknown as { client: { stream: { destroy(): void } } };
      inner.stream.destroy();
    },
  };
  const beBorn = () => {
    node.births++;
    client.publishNodeBirth({
      timestamp: Date.now(),
      metrics: [
        { name: "line/temp", alias: 1, type: "Double", value: 21.5, timestamp: Date.now() },
        { name: "line/count", alias: 2, type: "Int32", value: -7, timestamp: Date.now() },
      ],
    });
    client.publishDeviceBirth("tank", {
      timestamp: Date.now(),
      metrics: [{ name: "temp", alias: 3, type: "Float", value: 4.5, timestamp: Date.now() }],
    });
  };
  client.on("birth", beBorn);
  client.on("ncmd", (payload) => {
    node.commands.push(payload);
    beBorn();
  });
  client.on("error", () => {});
  undo.push(async () => client.stop());
  return node;
}

test("an edge node is born, sends data, dies and comes back; a gateway that is killed still knows its aliases", async () => {
  const gateway = await startGateway(undo, { files: FILES });
  const node = startNode(gateway.info.mqttPort, "edge-1");
  await expect.poll(() => node.births, WAIT).toBe(1);
  const data = (value: number) =>
    node.client.publishNodeData({
      timestamp: Date.now(),
      metrics: [{ alias: 1, type: "Double", value, timestamp: Date.now() }] as never,
    });
  data(22);
  // The state of the host application, for nodes that wait for it.
  const watcher = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => watcher.endAsync(true));
  const states: string[] = [];
  watcher.on("message", (_topic, payload) => states.push(payload.toString()));
  await watcher.subscribeAsync("spBv1.0/STATE/weir-test");
  await expect.poll(() => states.map((state) => JSON.parse(state).online), WAIT).toEqual([true]);

  const { changes } = await watchAlerts(undo, gateway.info.httpPort);
  // Its will is its death. It connects again by itself, and is born again.
  node.cut();
  const devicesOf = (wanted: string) =>
    changes
      .filter(({ state }) => state === wanted)
      .map(({ labels }) => labels.device)
      .sort();
  await expect.poll(() => devicesOf("firing"), WAIT).toEqual(["edge-1", "tank"]);
  await expect.poll(() => node.births, WAIT).toBe(2);
  await expect.poll(() => devicesOf("resolved"), WAIT).toEqual(["edge-1", "tank"]);
  expect(node.commands).toEqual([]);
  // A gap in the numbers of its messages: it is asked for its births, and is born again.
  const other = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => other.endAsync(true));
  const lost = [{ alias: 1, timestamp: Date.now(), double_value: 23 }];
  await other.publishAsync("spBv1.0/plant/NDATA/edge-1", sparkplugPayload({ seq: 77, metrics: lost }), { qos: 1 });
  await expect.poll(() => [node.commands.length, node.births], WAIT).toEqual([1, 3]);
  node.client.stop();

  // A gateway that is killed forgets nothing that a birth said: data by alias alone is read at once.
  await gateway.kill();
  await gateway.start();
  const raw = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { clientId: "edge-1" });
  undo.push(() => raw.endAsync(true));
  const commands: Uint8Array[] = [];
  raw.on("message", (_topic, payload) => commands.push(payload));
  await raw.subscribeAsync("spBv1.0/plant/NCMD/edge-1");
  const metrics = [{ alias: 1, timestamp: Date.now(), double_value: 99.5 }];
  await raw.publishAsync("spBv1.0/plant/NDATA/edge-1", sparkplugPayload({ seq: 50, metrics }), { qos: 1 });
  // It is asked for its births, since it may have been born again meanwhile.
  await expect.poll(() => commands.length, WAIT).toBe(1);
  expect(readSparkplug(commands[0] as Uint8Array).metrics).toMatchObject([
    { name: "Node Control/Rebirth", ...{ boolean_value: true } },
  ]);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT device, metric, value FROM readings WHERE metric = 'line/temp' ORDER BY time",
  );
  const values = rows.map(({ value }) => value);
  expect(values.slice(0, 4)).toEqual([21.5, 22, 21.5, 23]);
  // The last birth may have been on its way when the node was stopped.
  expect(values.slice(4).filter((value) => value !== 21.5)).toEqual([99.5]);
}, 180_000);

test("a thousand nodes at once are all read, and no storm of commands follows", async () => {
  const gateway = await startGateway(undo, { files: FILES });
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => client.endAsync(true));
  let commands = 0;
  client.on("message", () => {
    commands++;
  });
  await client.subscribeAsync("spBv1.0/plant/NCMD/#");
  const NODES = 1_000;
  const of = (i: number, kind: string) => `spBv1.0/plant/${kind}/edge-${i}`;
  // Data first, as after a restart of the gateway; the births follow.
  const data = Array.from({ length: NODES }, (_, i) =>
    client.publishAsync(of(i, "NDATA"), sparkplugPayload({ seq: 5, metrics: [{ name: "temp", ...peerMetric(i) }] }), {
      qos: 1,
    }),
  );
  const births = Array.from({ length: NODES }, (_, i) => {
    const metrics = [
      { name: "bdSeq", datatype: 8, long_value: 0 },
      { name: "temp", alias: 1, ...peerMetric(-i) },
    ];
    return client.publishAsync(of(i, "NBIRTH"), sparkplugPayload({ seq: 0, metrics }), { qos: 1 });
  });
  const aliased = Array.from({ length: NODES }, (_, i) =>
    client.publishAsync(of(i, "NDATA"), sparkplugPayload({ seq: 1, metrics: [{ alias: 1, double_value: i }] }), {
      qos: 1,
    }),
  );
  await Promise.all([...data, ...births, ...aliased]);
  const answer = await fetch(`http://127.0.0.1:${gateway.info.httpPort}/api/v1/dead-letters`);
  expect(await answer.json()).toMatchObject({ total: 0 });
  expect(commands).toBeLessThan(NODES / 2);

  // Killed, and all of them send at once by alias, which says nothing without the births.
  await gateway.kill();
  await gateway.start();
  const back = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => back.endAsync(true));
  const asked = new Map<string, number>();
  const reborn: Promise<unknown>[] = [];
  back.on("message", (topic) => {
    const node = Number(topic.split("-").at(-1));
    asked.set(topic, (asked.get(topic) ?? 0) + 1);
    const metrics = [
      { name: "bdSeq", datatype: 8, long_value: 0 },
      { name: "temp", alias: 1, ...peerMetric(node) },
    ];
    reborn.push(back.publishAsync(of(node, "NBIRTH"), sparkplugPayload({ seq: 0, metrics }), { qos: 1 }));
  });
  await back.subscribeAsync("spBv1.0/plant/NCMD/#");
  await Promise.all(
    Array.from({ length: NODES }, (_, i) => {
      const metrics = [{ alias: 1, double_value: 0.5 + i }];
      return back.publishAsync(of(i, "NDATA"), sparkplugPayload({ seq: 2, metrics }), { qos: 1 });
    }),
  );
  const letters = async () => JSON.parse((await gateway.get("/api/v1/dead-letters")).text).total;
  // Births of the last moment before the kill may be lost: what refers to them can be retried.
  const lost = await letters();
  expect(lost).toBeLessThan(NODES);
  // Each may have been born again meanwhile, so each is asked, and none twice.
  await expect.poll(() => asked.size, { timeout: 90_000, interval: 200 }).toBe(NODES);
  expect(Math.max(...asked.values())).toBe(1);
  await Promise.all(reborn);
  await Promise.all(
    Array.from({ length: NODES }, (_, i) => {
      const metrics = [{ alias: 1, double_value: 0.25 + i }];
      return back.publishAsync(of(i, "NDATA"), sparkplugPayload({ seq: 1, metrics }), { qos: 1 });
    }),
  );
  expect(await letters()).toBe(lost);
  const lag = async () => (await gateway.metrics())?.get("weir_storage_lag_messages");
  await expect.poll(lag, WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const rows = await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT count(DISTINCT device)::INTEGER AS nodes FROM readings WHERE metric = 'temp' AND value % 1 = 0.25",
  );
  expect(rows).toEqual([{ nodes: NODES }]);
}, 240_000);
