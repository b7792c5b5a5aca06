import { afterEach, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../test/servers/mosquitto.ts";
import {
  type BridgeKitOptions,
  connectClient,
  publishAll,
  startBridgeKit,
  startConnected,
  startScriptedBroker,
  textsOf,
  WAIT,
} from "./testing/bridge-kit.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startServer(): Promise<Mosquitto> {
  const server = await startMosquitto();
  undo.push(server.stop);
  return server;
}

type Version = "5" | "3.1.1";
const VERSIONS = ["5", "3.1.1"] as const;
const TOPIC = "sensors/s/d/telemetry";
const hundred = Array.from({ length: 100 }, (_, i) => String(i));

function incoming(
  url: string,
  { qos = 1, version = "5" }: { readonly qos?: 0 | 1 | 2; readonly version?: Version } = {},
) {
  return { config: { url, version, in: [{ remote: "sensors/#", qos }] } } satisfies BridgeKitOptions;
}

const CASES = VERSIONS.flatMap((version) => ([0, 1, 2] as const).map((qos) => ({ version, qos })));

test.each(CASES)("messages arrive whole and in order: MQTT $version, QoS $qos", async ({ version, qos }) => {
  const server = await startServer();
  const { taken, lines } = await startConnected(undo, incoming(server.url, { version, qos }));
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, qos);
  await expect.poll(() => taken.length, WAIT).toBe(100);
  expect(textsOf(taken)).toEqual(hundred);
  expect(taken[0]?.message).toMatchObject({ topic: TOPIC, qos, clientId: "bridge:b", bridge: "b" });
  expect(lines).toContain(`bridge connected, with MQTT ${version}`);
});

test.each(CASES.filter(({ qos }) => qos > 0))(
  "many are in flight, and none is acknowledged before it is kept: MQTT $version, QoS $qos",
  async ({ version, qos }) => {
    const server = await startServer();
    // In 3.1.1, a client cannot say how many it takes at once: mosquitto sends 20.
    const atOnce = version === "5" ? 100 : 20;
    const first = await startBridgeKit(undo, incoming(server.url, { version, qos }));
    first.kit.onMessage = () => {};
    await expect.poll(() => first.bridges.problem(), WAIT).toBeUndefined();
    await publishAll(await connectClient(undo, server.url), TOPIC, hundred, qos);
    await expect.poll(() => first.taken.length, WAIT).toBe(atOnce);
    // All but the oldest are kept, in another order, so none may be acknowledged.
    for (const { done } of first.taken.slice(1).reverse()) done();
    await server.pause();
    await expect.poll(() => first.bridges.problem(), WAIT).toBeDefined();
    first.taken.splice(0);
    first.kit.onMessage = (done) => done();
    await server.resume();
    await expect.poll(() => first.taken.length, WAIT).toBe(100);
    expect(new Set(textsOf(first.taken))).toEqual(new Set(hundred));
  },
  30_000,
);

test("over WebSocket", async () => {
  const server = await startServer();
  const { taken } = await startConnected(undo, incoming(server.wsUrl));
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  await expect.poll(() => taken.length, WAIT).toBe(100);
});

test("only unacknowledged messages are resent", async () => {
  const server = await startServer();
  const first = await startBridgeKit(undo, incoming(server.url));
  first.kit.onMessage = () => {};
  await expect.poll(() => first.bridges.problem(), WAIT).toBeUndefined();
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  await expect.poll(() => first.taken.length, WAIT).toBe(100);
  for (const { done } of first.taken.slice(0, 60)) done();
  await first.stop();
  const second = await startConnected(undo, incoming(server.url));
  await expect.poll(() => second.taken.length, WAIT).toBe(40);
  expect(textsOf(second.taken)).toEqual(hundred.slice(60));
}, 30_000);

test.each(VERSIONS)("messages published while the bridge is away wait for it: MQTT %s", async (version) => {
  const server = await startServer();
  const options = incoming(server.url, { version });
  await (await startConnected(undo, options)).stop();
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  // Also while the outside broker restarts.
  await server.pause();
  const { taken } = await startBridgeKit(undo, options);
  await server.resume();
  await expect.poll(() => taken.length, WAIT).toBe(100);
  expect(textsOf(taken)).toEqual(hundred);
});

test("retained messages come once, not with each connection", async () => {
  const server = await startServer();
  const client = await connectClient(undo, server.url);
  await client.publishAsync(TOPIC, "kept", { qos: 1, retain: true });
  for (const version of VERSIONS) {
    const config = { ...incoming(server.url, { version }).config, client_id: version };
    const { taken, bridges, stop } = await startConnected(undo, { config });
    await expect.poll(() => taken.length, WAIT).toBe(1);
    expect(taken[0]?.message).toMatchObject({ retain: true });
    await server.pause();
    await expect.poll(() => bridges.problem(), WAIT).toContain("not connected");
    await server.resume();
    await expect.poll(() => bridges.problem(), WAIT).toBeUndefined();
    const again = await connectClient(undo, server.url);
    await again.publishAsync(TOPIC, "next", { qos: 1 });
    await expect.poll(() => textsOf(taken), WAIT).toEqual(["kept", "next"]);
    await stop();
  }
}, 40_000);

test("a filter that the configuration no longer has is unsubscribed at the outside broker", async () => {
  const server = await startServer();
  const first = await startConnected(undo, {
    config: { url: server.url, in: [{ remote: "old/#" }, { remote: "sensors/#" }] },
  });
  await first.stop();
  const second = await startConnected(undo, { ...incoming(server.url), log: first.log });
  const client = await connectClient(undo, server.url);
  await client.publishAsync("old/a", "old", { qos: 1 });
  await client.publishAsync(TOPIC, "new", { qos: 1 });
  await expect.poll(() => textsOf(second.taken), WAIT).toEqual(["new"]);
});

test("topics are mapped, the first entry that matches wins, and user properties come along", async () => {
  const server = await startServer();
  const config = {
    url: server.url,
    in: [
      { remote: "site/{site}/up/{device}", local: "sensors/{site}/{device}/telemetry" },
      { remote: "site/#", local: "rest/#" },
    ],
  };
  const { taken } = await startConnected(undo, { config });
  const client = await connectClient(undo, server.url, { protocolVersion: 5 });
  const userProperties = { a: ["1", "2"], b: "3" };
  await client.publishAsync("site/7/up/press", "x", {
    qos: 1,
    properties: { userProperties, contentType: "text/plain" },
  });
  await client.publishAsync("site/7/down", "y", { qos: 1 });
  await expect
    .poll(() => taken.map(({ message }) => message.topic), WAIT)
    .toEqual(["sensors/7/press/telemetry", "rest/7/down"]);
  expect(taken[0]?.message.properties).toEqual({
    contentType: "text/plain",
    userProperties: [
      ["a", "1"],
      ["a", "2"],
      ["b", "3"],
    ],
  });
});

test("messages go to the log, to clients, or both; one that no client can get is counted", async () => {
  const server = await startServer();
  const config = {
    url: server.url,
    in: [
      { remote: "readings/#", to: "readings" },
      { remote: "cmd/sys/#", local: "$SYS/#", to: "clients" },
      { remote: "cmd/#", to: "clients" },
      { remote: "#" },
    ],
  };
  const { taken, delivered, metric } = await startConnected(undo, { config });
  const client = await connectClient(undo, server.url);
  for (const topic of ["readings/a", "cmd/sys/a", "cmd/a", "any"]) await client.publishAsync(topic, "x", { qos: 1 });
  await expect.poll(() => delivered, WAIT).toEqual(["cmd/a x", "any x"]);
  await expect.poll(() => metric("weir_bridge_messages_total"), WAIT).toEqual({ "b in": 4 });
  expect(taken.map(({ message }) => message.topic)).toEqual(["readings/a", "any"]);
  expect(await metric("weir_bridge_dropped_total")).toEqual({ "b topic": 1 });
});

test("a bug that a message triggers ends the connection, not the process, and the message is resent", async () => {
  const server = await startServer();
  const { taken, lines, kit } = await startConnected(undo, incoming(server.url));
  kit.onMessage = (done) => {
    if (taken.length === 1) throw new RangeError("too deep");
    done();
  };
  await publishAll(await connectClient(undo, server.url), TOPIC, ["a"], 1);
  await expect.poll(() => taken.length, WAIT).toBe(2);
  expect(textsOf(taken)).toEqual(["a", "a"]);
  expect(lines.join("\n")).toContain("a packet could not be read: too deep");
});

test("a message that cannot be stored is resent, not lost", async () => {
  const server = await startServer();
  const { taken, lines, kit } = await startConnected(undo, incoming(server.url));
  kit.onMessage = (done) => done(taken.length === 1 ? new Error("disk full") : undefined);
  await publishAll(await connectClient(undo, server.url), TOPIC, ["a"], 1);
  await expect.poll(() => taken.length, WAIT).toBe(2);
  expect(textsOf(taken)).toEqual(["a", "a"]);
  expect(lines.join("\n")).toContain("a message could not be kept: disk full");
});

test("a shared subscription: two gateways split the messages", async () => {
  const server = await startServer();
  const start = (client_id: string) =>
    startConnected(undo, { config: { ...incoming(server.url).config, share: "weir", client_id } });
  const [one, two] = [await start("one"), await start("two")];
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  await expect.poll(() => one.taken.length + two.taken.length, WAIT).toBe(100);
  expect(Math.min(one.taken.length, two.taken.length)).toBeGreaterThan(20);
});

test("where the broker has no shared subscriptions, the subscription is plain, and the log says so", async () => {
  const filters: string[] = [];
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") return [{ cmd: "connack", reasonCode: 0, sessionPresent: false }];
    if (packet.cmd !== "subscribe") return [];
    const [{ topic = "" } = {}] = packet.subscriptions;
    filters.push(topic);
    return [{ cmd: "suback", messageId: packet.messageId ?? 0, granted: [topic.startsWith("$share") ? 0x9e : 1] }];
  });
  const { lines } = await startConnected(undo, { config: { ...incoming(url).config, share: "weir" } });
  expect(filters).toEqual(["$share/weir/sensors/#", "sensors/#"]);
  expect(lines.join("\n")).toContain("has no shared subscriptions: the bridge subscribes plainly");
  const server = await startServer();
  const old = await startConnected(undo, {
    config: { ...incoming(server.url, { version: "3.1.1" }).config, share: "weir" },
  });
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  await expect.poll(() => old.taken.length, WAIT).toBe(100);
});

test("stop waits for messages in flight", async () => {
  const server = await startServer();
  const { taken, kit, stop } = await startConnected(undo, incoming(server.url));
  kit.onMessage = (done) => void setTimeout(done, 100);
  await publishAll(await connectClient(undo, server.url), TOPIC, hundred, 1);
  await expect.poll(() => taken.length, WAIT).toBe(100);
  await stop();
  await stop();
  const second = await startConnected(undo, incoming(server.url));
  await publishAll(await connectClient(undo, server.url), TOPIC, ["next"], 1);
  await expect.poll(() => second.taken.length, WAIT).toBe(1);
  expect(textsOf(second.taken)).toEqual(["next"]);
});

test("one edge of several runs the bridge; when it stops, another one goes on where it was", async () => {
  const server = await startServer();
  const one = await startConnected(undo, incoming(server.url));
  const two = await startBridgeKit(undo, { ...incoming(server.url), log: one.log, member: "there" });
  await expect.poll(() => two.lines.join("\n"), WAIT).toContain("another gateway of this log runs the bridge");
  expect(two.bridges.problem()).toBeUndefined();
  const client = await connectClient(undo, server.url);
  await publishAll(client, TOPIC, hundred, 1);
  await expect.poll(() => one.taken.length, WAIT).toBe(100);
  await one.stop();
  await publishAll(client, TOPIC, ["a", "b"], 1);
  await expect.poll(() => textsOf(two.taken), WAIT).toEqual(["a", "b"]);
  expect(one.taken.length).toBe(100);
});
