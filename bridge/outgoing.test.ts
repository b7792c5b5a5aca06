import { afterEach, expect, test } from "vitest";
import { systemClock } from "../platform/clock.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { type Mosquitto, startMosquitto } from "../test/servers/mosquitto.ts";
import {
  collect,
  connectClient,
  startBridgeKit,
  startConnected,
  startScriptedBroker,
  textsOf,
  WAIT,
} from "./testing/bridge-kit.ts";

const undo: (() => Promise<unknown>)[] = [];
const VERSIONS = ["5", "3.1.1"] as const;
const hundred = Array.from({ length: 100 }, (_, i) => String(i));

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function startServer(): Promise<Mosquitto> {
  const server = await startMosquitto();
  undo.push(server.stop);
  return server;
}

test.each(VERSIONS)("what devices publish goes out, mapped and in order: MQTT %s", async (version) => {
  const server = await startServer();
  const seen = await collect(undo, server.url, "#");
  const out = [
    { local: "sensors/{site}/{device}/telemetry", remote: "north/{site}/{device}" },
    { local: "alerts/#", retain: "always" },
    { local: "state/#", retain: "never", qos: 0 },
  ];
  const { publish, taken, metric } = await startConnected(undo, { config: { url: server.url, version, out } });
  await Promise.all(hundred.map((text) => publish("sensors/7/press/telemetry", text)));
  await publish("alerts/hot", "a");
  await publish("state/x", "s", { retain: true });
  await publish("elsewhere", "e");
  const expected = [...hundred.map((text) => `north/7/press ${text}`), "alerts/hot a retained", "state/x s"];
  await expect.poll(() => seen.length, WAIT).toBe(expected.length);
  // To its own subscribers, mosquitto sends QoS 0 past what waits.
  const inOrder = (lines: readonly string[]) => lines.toSorted((a, b) => Number(a > "state") - Number(b > "state"));
  expect(inOrder(seen)).toEqual(expected);
  // Each is a reading here, too.
  expect(taken.length).toBe(103);
  await expect.poll(() => metric("weir_bridge_messages_total"), WAIT).toEqual({ "b out": 102 });
});

test.each(VERSIONS)(
  "nothing is lost while the outside broker is away and this gateway restarts: MQTT %s",
  async (version) => {
    const server = await startServer();
    const config = { url: server.url, version, out: [{ local: "a/#" }] };
    const subscriber = { clientId: "reader", clean: false, reconnectPeriod: 100 } as const;
    const reader = await connectClient(undo, server.url, subscriber);
    const seen: string[] = [];
    reader.on("message", (_, payload) => seen.push(`${payload}`));
    await reader.subscribeAsync("a/#", { qos: 1 });
    const first = await startConnected(undo, { config });
    await first.publish("a/b", "before");
    await expect.poll(() => seen, WAIT).toEqual(["before"]);
    await server.pause();
    await expect.poll(() => first.bridges.problem(), WAIT).toContain("not connected");
    // The devices here notice nothing.
    await Promise.all(hundred.map((text) => first.publish("a/b", text)));
    await first.stop();
    await server.resume();
    const second = await startConnected(undo, { config, log: first.log });
    await second.publish("a/b", "after");
    await expect.poll(() => seen.length, WAIT).toBe(102);
    expect(seen).toEqual(["before", ...hundred, "after"]);
    await second.stop();
    // What is acknowledged is not sent again.
    const third = await startConnected(undo, { config, log: first.log });
    await third.publish("a/b", "last");
    await expect.poll(() => seen.at(-1), WAIT).toBe("last");
    expect(seen.length).toBe(103);
  },
  40_000,
);

test("a message that is not acknowledged is sent again over the next connection, one that is, is not", async () => {
  const published: string[] = [];
  let connects = 0;
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") {
      connects++;
      const properties = { receiveMaximum: 3 };
      return [{ cmd: "connack", reasonCode: 0, sessionPresent: false, properties }];
    }
    if (packet.cmd !== "publish") return [];
    published.push(`${connects} ${packet.payload}`);
    if (connects === 1 && `${packet.payload}` === "1") return [];
    if (connects === 1 && `${packet.payload}` === "4") return "end";
    return [{ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0 }];
  });
  const { publish } = await startConnected(undo, { config: { url, out: [{ local: "a" }] } });
  await Promise.all(["0", "1", "2", "3", "4", "5"].map((text) => publish("a", text)));
  await expect.poll(() => published.slice(-5), WAIT).toEqual(["2 1", "2 2", "2 3", "2 4", "2 5"]);
  expect(published.slice(0, 5)).toEqual(["1 0", "1 1", "1 2", "1 3", "1 4"]);
});

test("what the outside broker refuses is counted and named, and the rest goes on", async () => {
  const published: string[] = [];
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") {
      const properties = { maximumPacketSize: 200 };
      return [{ cmd: "connack", reasonCode: 0, sessionPresent: false, properties }];
    }
    if (packet.cmd !== "publish") return [];
    published.push(packet.topic);
    return [{ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: packet.topic === "a/no" ? 0x87 : 0 }];
  });
  const { publish, metric, lines } = await startConnected(undo, { config: { url, out: [{ local: "a/#" }] } });
  await publish("a/no", "x");
  await publish("a/large", "x".repeat(300));
  // Larger than what the log takes.
  await publish("a/huge", "x".repeat(1_048_576));
  await publish("a/yes", "x");
  await expect.poll(() => published, WAIT).toEqual(["a/no", "a/yes"]);
  await expect.poll(() => metric("weir_bridge_dropped_total"), WAIT).toEqual({ "b refused": 1, "b too-large": 2 });
  expect(lines.join("\n")).toContain(
    "the user may not publish to this topic; check its rights there (reason code 0x87)",
  );
});

test("a broker without retained messages, and one with QoS 0 only, get what they can take", async () => {
  const published: string[] = [];
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") {
      const properties = { maximumQoS: 0, retainAvailable: false };
      return [{ cmd: "connack", reasonCode: 0, sessionPresent: false, properties }];
    }
    if (packet.cmd === "publish") published.push(`${packet.topic} ${packet.qos} ${packet.retain}`);
    return [];
  });
  const { publish } = await startConnected(undo, { config: { url, out: [{ local: "a", retain: "always" }] } });
  await publish("a", "x");
  await publish("a", "y");
  await expect.poll(() => published, WAIT).toEqual(["a 0 false", "a 0 false"]);
});

test("messages that the log deleted before they could go out are counted", async () => {
  const log = createMemoryLog({ nowUs: systemClock.nowUs, messagesMax: 5 });
  const server = await startServer();
  await server.pause();
  const { publish, metric, lines, bridges } = await startBridgeKit(undo, {
    config: { url: server.url, out: [{ local: "a" }] },
    log,
  });
  await expect.poll(() => bridges.problem(), WAIT).toContain("not connected");
  for (const text of hundred.slice(0, 20)) await publish("a", text);
  const deleted = (await log.bounds("BRIDGES")).firstSequence - 1;
  expect(deleted).toBeGreaterThan(0);
  await expect.poll(() => metric("weir_bridge_dropped_total"), WAIT).toHaveProperty("b expired");
  const expired = (await metric("weir_bridge_dropped_total"))["b expired"] ?? 0;
  expect(lines.join("\n")).toContain("the outside broker was away for longer than log.bridges in weir.yaml keeps them");
  const seen: string[] = [];
  await server.resume();
  const reader = await connectClient(undo, server.url);
  reader.on("message", (_, payload) => seen.push(`${payload}`));
  await reader.subscribeAsync("a", { qos: 1 });
  await expect.poll(() => bridges.problem(), WAIT).toBeUndefined();
  await publish("a", "new");
  await expect.poll(() => seen.at(-1), WAIT).toBe("new");
  expect(expired).toBe(deleted);
}, 40_000);

test.each(VERSIONS)(
  "what comes in by a bridge does not go out by it, and nothing comes back: MQTT %s",
  async (version) => {
    const server = await startServer();
    const seen = await collect(undo, server.url, "#");
    const config = { url: server.url, version, in: [{ remote: "#" }], out: [{ local: "#" }] };
    const { publish, taken } = await startConnected(undo, { config });
    await publish("a", "from here");
    await expect.poll(() => seen, WAIT).toEqual(["a from here"]);
    const client = await connectClient(undo, server.url);
    await client.publishAsync("a", "from there", { qos: 1 });
    await expect.poll(() => textsOf(taken), WAIT).toEqual(["from here", "from there"]);
    await publish("a", "end");
    await expect.poll(() => seen.at(-1), WAIT).toBe("a end");
    expect(seen).toEqual(["a from here", "a from there", "a end"]);
    expect(textsOf(taken)).toEqual(["from here", "from there", "end"]);
  },
);

test("with 3.1.1, a broker that sends back what it gets is not used for topics that come back", async () => {
  const { url, connects } = await startScriptedBroker(undo, (packet, version) => {
    if (packet.cmd !== "connect") return [];
    const isPlain = version === 4 && packet.bridgeMode !== true;
    return [{ cmd: "connack", returnCode: isPlain ? 0 : 1, reasonCode: 0x84, sessionPresent: false }];
  });
  const config = { url, in: [{ remote: "a/#" }], out: [{ local: "b/#", remote: "a/b/#" }] };
  const { bridges } = await startBridgeKit(undo, { config });
  await expect
    .poll(() => bridges.problem(), WAIT)
    .toContain(
      '"a/b/#" goes out to topics that come back in by "a/#", and MQTT 3.1.1 cannot keep a broker from sending',
    );
  expect(connects[1]).toMatchObject({ protocolVersion: 4, bridgeMode: true });
});

test("a message that leads back to a gateway that has seen it ends there, and too many gateways end it, too", async () => {
  // here -> one -> there -> two -> here
  const [one, two] = [await startServer(), await startServer()];
  const here = await startConnected(undo, {
    config: [
      { name: "one", url: one.url, client_id: "here", out: [{ local: "#" }] },
      { name: "two", url: two.url, client_id: "here", in: [{ remote: "#" }] },
    ],
  });
  const there = await startConnected(undo, {
    config: [
      { name: "one", url: one.url, client_id: "there", in: [{ remote: "#" }] },
      { name: "two", url: two.url, client_id: "there", out: [{ local: "#" }] },
    ],
  });
  await here.publish("a", "x");
  await expect.poll(() => here.metric("weir_bridge_dropped_total"), WAIT).toEqual({ "two loop": 1 });
  expect(textsOf(here.taken)).toEqual(["x"]);
  expect(textsOf(there.taken)).toEqual(["x"]);
  const userProperties = { "weir-path": ["g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"] };
  const client = await connectClient(undo, one.url, { protocolVersion: 5 });
  await client.publishAsync("far", "y", { qos: 1, properties: { userProperties } });
  await expect.poll(() => there.metric("weir_bridge_dropped_total"), WAIT).toEqual({ "two hops": 1 });
  expect(textsOf(there.taken)).toEqual(["x", "y"]);
});

test("a publisher gets the outcome of its message here, and nothing of the way out", async () => {
  const server = await startServer();
  const { publish, kit } = await startConnected(undo, { config: { url: server.url, out: [{ local: "a" }] } });
  const outcome = { kind: "no-source", letter: "7" } as const;
  kit.onMessage = (done) => done(undefined, outcome);
  expect(await publish("a", "x")).toEqual(outcome);
  kit.onMessage = (done) => done(new Error("closed"));
  await expect(publish("a", "x")).rejects.toThrow("closed");
});

test("another edge of the same log sends what waits when the first one stops", async () => {
  const server = await startServer();
  const seen = await collect(undo, server.url, "#");
  const config = { url: server.url, out: [{ local: "a" }] };
  const one = await startConnected(undo, { config });
  const two = await startBridgeKit(undo, { config, log: one.log, member: "there" });
  // What is published at an edge that does not run the bridge goes out by the one that does.
  await two.publish("a", "1");
  await expect.poll(() => seen, WAIT).toEqual(["a 1"]);
  await one.stop();
  await two.publish("a", "2");
  await expect.poll(() => seen, WAIT).toEqual(["a 1", "a 2"]);
});
