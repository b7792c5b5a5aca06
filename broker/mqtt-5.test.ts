import type { IConnectPacket, IPublishPacket, ISubscribePacket } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import type { InboundMessage, PublishDone } from "../platform/publish-gate.ts";
import { FakeGate, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

const five = (port: number, options: Partial<IConnectPacket> = {}) =>
  RawClient.connected(port, { protocolVersion: 5, ...options });

async function subscribe(client: RawClient, topic: string, options: Partial<ISubscribePacket> = {}, rest = {}) {
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 2, ...rest }], ...options });
  return (await client.next("suback")).granted;
}

type Publish = Partial<IPublishPacket> & { readonly topic: string };

function send(client: RawClient, packet: Publish): void {
  client.send({ cmd: "publish", payload: "1", qos: 0, dup: false, retain: false, ...packet });
}

describe("CONNECT of MQTT 5", () => {
  it("is answered with the broker's limits", async () => {
    const { port } = await startTestBroker({
      limits: { inflight_per_client_max: 7, packet_size_max: "1000B", keepalive_max: "1m", session_expiry: "100s" },
    });
    const properties = { sessionExpiryInterval: 1_000, requestResponseInformation: true };
    const client = await five(port, { clientId: "", keepalive: 100, properties });
    expect(client.connack).toMatchObject({
      reasonCode: 0,
      sessionPresent: false,
      properties: {
        receiveMaximum: 7,
        maximumPacketSize: 1_000,
        serverKeepAlive: 60,
        sessionExpiryInterval: 100,
        assignedClientIdentifier: expect.stringMatching(/^auto-/),
        topicAliasMaximum: 16,
        responseInformation: expect.stringMatching(/^responses\/auto-/),
      },
    });
  });

  it("with enhanced authentication is refused with 0x8C", async () => {
    const { port } = await startTestBroker();
    const client = new RawClient(port, { version: 5 });
    expect(await client.connect({ properties: { authenticationMethod: "SCRAM-SHA-256" } })).toBe(0x8c);
    await client.untilClosed();
  });

  it("with a bad client id is refused with 0x85, and the reason is left out on request", async () => {
    const { port } = await startTestBroker();
    const client = new RawClient(port, { version: 5 });
    expect(await client.connect({ clientId: "a\nb" })).toBe(0x85);
    expect(client.connack?.properties?.reasonString).toBe("bad-client-id");
    const terse = new RawClient(port, { version: 5 });
    await terse.connect({ clientId: "a\nb", properties: { requestProblemInformation: false } });
    expect(terse.connack?.properties?.reasonString).toBeUndefined();
  });
});

describe("a session", () => {
  it("outlives its connection for its expiry, and Clean Start ends it", async () => {
    const { port } = await startTestBroker();
    const options = { clientId: "s", clean: false, properties: { sessionExpiryInterval: 100 } };
    const first = await five(port, options);
    expect(first.connack?.sessionPresent).toBe(false);
    first.send({ cmd: "disconnect", reasonCode: 0 });
    await first.untilClosed();
    const second = await five(port, options);
    expect(second.connack?.sessionPresent).toBe(true);
    second.send({ cmd: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    await second.untilClosed();
    const third = await five(port, options);
    expect(third.connack?.sessionPresent).toBe(false);
    third.socket.destroy();
    expect((await five(port, { ...options, clean: true })).connack?.sessionPresent).toBe(false);
  });

  it("is over when its expiry has passed, even before the broker has deleted it", async () => {
    const { port } = await startTestBroker();
    const options = { clientId: "s", clean: false, properties: { sessionExpiryInterval: 1 } };
    const first = await five(port, options);
    const closedMs = performance.now();
    first.send({ cmd: "disconnect", reasonCode: 0 });
    await first.untilClosed();
    await until(() => performance.now() - closedMs > 1_200, "the expiry");
    expect((await five(port, options)).connack?.sessionPresent).toBe(false);
  });

  it("taken over by another connection: the first gets 0x8E", async () => {
    const { port } = await startTestBroker();
    const first = await five(port, { clientId: "same" });
    await five(port, { clientId: "same" });
    expect((await first.next("disconnect")).reasonCode).toBe(0x8e);
    await first.untilClosed();
  });
});

describe("a message of MQTT 5", () => {
  const properties = {
    payloadFormatIndicator: true,
    contentType: "application/json",
    responseTopic: "answers",
    correlationData: Buffer.from([1, 2, 3]),
    userProperties: { traceparent: "00-1", site: ["north", "south"] },
  };

  it("reaches the gate and subscribers with its properties; those of 3.1.1 get the payload", async () => {
    const { port, gate } = await startTestBroker();
    const subscriber = await five(port, { clientId: "subscriber" });
    const old = await RawClient.connected(port, { clientId: "old" });
    await subscribe(subscriber, "a/+");
    await subscribe(old, "a/+");
    const publisher = await five(port, { clientId: "publisher" });
    send(publisher, { topic: "a/b", qos: 1, messageId: 1, properties: { ...properties, messageExpiryInterval: 60 } });
    await publisher.next("puback");
    const got = await subscriber.next("publish");
    expect(got.properties).toEqual({ ...properties, messageExpiryInterval: 60, userProperties: expect.anything() });
    expect({ ...got.properties?.userProperties }).toEqual(properties.userProperties);
    expect((await old.next("publish")).payload.toString()).toBe("1");
    expect(gate.messages[0]?.properties).toMatchObject({
      contentType: "application/json",
      userProperties: [
        ["traceparent", "00-1"],
        ["site", "north"],
        ["site", "south"],
      ],
    });
  });

  it("that has expired in a queue is not delivered", async () => {
    const { port } = await startTestBroker();
    const options = { clientId: "away", clean: false, properties: { sessionExpiryInterval: 100 } };
    const away = await five(port, options);
    await subscribe(away, "a");
    away.send({ cmd: "disconnect", reasonCode: 0 });
    await away.untilClosed();
    const publisher = await five(port, { clientId: "publisher" });
    const sentMs = performance.now();
    send(publisher, { topic: "a", payload: "short", qos: 1, messageId: 1, properties: { messageExpiryInterval: 1 } });
    send(publisher, { topic: "a", payload: "long", qos: 1, messageId: 2, properties: { messageExpiryInterval: 100 } });
    await until(() => publisher.ids("puback").length === 2, "both acknowledgements");
    await until(() => performance.now() - sentMs > 1_200, "the expiry");
    const again = await five(port, options);
    const got = await again.next("publish");
    expect(got.payload.toString()).toBe("long");
    expect(got.properties?.messageExpiryInterval).toBeLessThan(100);
  });

  it("is acknowledged with what became of it", async () => {
    class TruthfulGate extends FakeGate {
      override accept({ topic }: InboundMessage, done: PublishDone): void {
        if (topic === "nobody") done(undefined, { kind: "no-source", letter: "7" });
        else if (topic === "kept") done();
        else
          done(undefined, {
            kind: "dead-letter",
            cause: topic === "full" ? "quota" : "payload",
            reason: "why",
            letter: "8",
          });
      }
    }
    const { port } = await startTestBroker({}, new TruthfulGate());
    const client = await five(port);
    const topics = ["kept", "nobody", "bad", "full"];
    for (const [i, topic] of topics.entries()) send(client, { topic, qos: 1, messageId: i + 1 });
    const codes = [];
    for (const _ of topics) codes.push(await client.next("puback"));
    expect(codes.map(({ reasonCode }) => reasonCode)).toEqual([0, 0x10, 0x99, 0x97]);
    expect(codes.map(({ messageId }) => messageId)).toEqual([1, 2, 3, 4]);
    expect(codes[2]?.properties).toMatchObject({ reasonString: "why", userProperties: { "dead-letter": "8" } });
    send(client, { topic: "bad", qos: 2, messageId: 9 });
    expect((await client.next("pubrec")).reasonCode).toBe(0x99);
    // The id is free: this is no repeat.
    send(client, { topic: "kept", qos: 2, messageId: 9 });
    expect((await client.next("pubrec")).reasonCode).toBe(0);
  });

  it("to a topic that is not allowed is refused with its acknowledgement, and the connection stays", async () => {
    const { port, gate } = await startTestBroker();
    const client = await five(port);
    send(client, { topic: "$SYS/fake", qos: 1, messageId: 1 });
    expect((await client.next("puback")).reasonCode).toBe(0x90);
    await client.ping();
    send(client, { topic: "$SYS/fake", qos: 0 });
    expect((await client.next("disconnect")).reasonCode).toBe(0x90);
    expect(gate.messages).toEqual([]);
  });
});

describe("a subscription", () => {
  it("with No Local, Retain As Published and identifiers does as it says, in one copy", async () => {
    const { port } = await startTestBroker();
    const client = await five(port, { clientId: "self" });
    await subscribe(client, "a/#", { properties: { subscriptionIdentifier: 1 } }, { nl: true });
    await subscribe(client, "a/+", { properties: { subscriptionIdentifier: 200_000 } }, { rap: true });
    const other = await five(port, { clientId: "other" });
    send(other, { topic: "a/b", retain: true });
    const got = await client.next("publish");
    expect(got.retain).toBe(true);
    expect([got.properties?.subscriptionIdentifier].flat().sort()).toEqual([1, 200_000]);
    send(client, { topic: "a/b" });
    const own = await client.next("publish");
    expect(own.properties?.subscriptionIdentifier).toBe(200_000);
    await client.ping();
    expect(client.ids("publish")).toEqual([]);
  });

  it.each([
    [0, 2],
    [1, 1],
    [2, 0],
  ])("with Retain Handling %i, made twice, gets the retained message %i times", async (rh, times) => {
    const { port } = await startTestBroker();
    const publisher = await five(port, { clientId: "publisher" });
    send(publisher, { topic: "a", retain: true, qos: 1, messageId: 1 });
    await publisher.next("puback");
    const client = await five(port);
    for (const _ of [1, 2]) await subscribe(client, "a", {}, { rh });
    await client.ping();
    await until(() => client.ids("publish").length >= times, "retained messages");
    expect(client.received.every((packet) => packet.cmd !== "publish" || packet.retain)).toBe(true);
    await client.ping();
    expect(client.ids("publish")).toHaveLength(times);
  });

  it("that ends is acknowledged with whether it existed", async () => {
    const { port } = await startTestBroker();
    const client = await five(port);
    await subscribe(client, "a");
    client.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a", "b"] });
    expect((await client.next("unsuback")).granted).toEqual([0, 0x11]);
  });
});

describe("limits of a client", () => {
  it("Receive Maximum bounds deliveries in flight", async () => {
    const { port } = await startTestBroker();
    const client = await five(port, { properties: { receiveMaximum: 2 } });
    await subscribe(client, "a");
    const publisher = await five(port, { clientId: "publisher" });
    for (let id = 1; id <= 5; id++) send(publisher, { topic: "a", payload: `${id}`, qos: 1, messageId: id });
    await until(() => publisher.ids("puback").length === 5, "acknowledgements");
    await until(() => client.ids("publish").length === 2, "two messages");
    await client.ping();
    expect(client.ids("publish")).toHaveLength(2);
    const [first = 0] = client.ids("publish");
    client.send({ cmd: "puback", messageId: first });
    await until(() => client.ids("publish").length === 3, "the third");
    await client.ping();
    expect(client.ids("publish")).toHaveLength(3);
  });

  it("Maximum Packet Size leaves out larger messages, and counts them", async () => {
    const { port, metric } = await startTestBroker();
    const client = await five(port, { properties: { maximumPacketSize: 100 } });
    await subscribe(client, "a");
    const publisher = await five(port, { clientId: "publisher" });
    for (const [i, size] of [10, 200, 20].entries()) {
      send(publisher, { topic: "a", payload: "x".repeat(size), qos: 1, messageId: i + 1 });
    }
    const sizes = [(await client.next("publish")).payload.length, (await client.next("publish")).payload.length];
    expect(sizes).toEqual([10, 20]);
    expect(await metric("weir_broker_refused_total", { reason: "packet-too-large" })).toBe(1);
  });

  it("Topic Alias Maximum: topics are sent once", async () => {
    const { port } = await startTestBroker();
    const client = await five(port, { properties: { topicAliasMaximum: 1 } });
    await subscribe(client, "+");
    const publisher = await five(port, { clientId: "publisher" });
    for (const topic of ["first", "second", "first"]) send(publisher, { topic });
    const got = [];
    for (const _ of [1, 2, 3]) got.push(await client.next("publish"));
    expect(got.map(({ topic, properties }) => [topic, properties?.topicAlias])).toEqual([
      ["first", 1],
      ["second", undefined],
      ["", 1],
    ]);
  });
});

describe("limits of the broker", () => {
  it.each([
    ["a packet beyond Maximum Packet Size", Buffer.from([0x30, 0xff, 0x7f, 0, 1]), 0x95],
    ["a malformed packet", Buffer.from([0x36, 6, 0, 1, 0x61, 0, 1, 0x31]), 0x81],
    ["a second CONNECT", Buffer.from([0x10, 0]), 0x82],
    ["a topic alias beyond its maximum", Buffer.from([0x30, 7, 0, 1, 0x61, 3, 0x23, 0, 17]), 0x94],
    ["AUTH", Buffer.from([0xf0, 0]), 0x82],
  ])("%s is answered with a reason", async (_what, bytes, reasonCode) => {
    const { port } = await startTestBroker({ limits: { packet_size_max: "1000B" } });
    const client = await five(port);
    client.sendBytes(bytes);
    expect((await client.next("disconnect")).reasonCode).toBe(reasonCode);
    await client.untilClosed();
  });

  it("more QoS 2 messages than Receive Maximum are answered with 0x93", async () => {
    const { port } = await startTestBroker({ limits: { inflight_per_client_max: 3 } });
    const client = await five(port);
    for (let id = 1; id <= 4; id++) {
      send(client, { topic: "a", qos: 2, messageId: id });
      if (id < 4) await client.next("pubrec");
    }
    expect((await client.next("disconnect")).reasonCode).toBe(0x93);
  });

  it("silence is answered with 0x8D, and a stop with 0x8B", async () => {
    const { port, stop } = await startTestBroker();
    const silent = await five(port, { clientId: "silent", keepalive: 1 });
    const client = await five(port);
    expect((await silent.next("disconnect")).reasonCode).toBe(0x8d);
    await stop();
    expect((await client.next("disconnect")).reasonCode).toBe(0x8b);
  });
});

describe("a will", () => {
  const will = {
    topic: "wills/a",
    payload: Buffer.from("gone"),
    qos: 1 as const,
    retain: false,
    properties: { contentType: "text/plain", userProperties: { a: "b" } },
  };

  it("has its properties, and is also sent when DISCONNECT asks for it", async () => {
    const { port } = await startTestBroker();
    const watcher = await five(port, { clientId: "watcher" });
    await subscribe(watcher, "wills/#");
    const client = await five(port, { clientId: "a", will });
    client.send({ cmd: "disconnect", reasonCode: 4 });
    const got = await watcher.next("publish");
    expect(got.properties?.contentType).toBe("text/plain");
    expect({ ...got.properties?.userProperties }).toEqual({ a: "b" });
  });

  it("waits for its delay, and is not sent when the client is back before", async () => {
    const { port } = await startTestBroker();
    const watcher = await five(port, { clientId: "watcher" });
    await subscribe(watcher, "wills/#");
    const options = (clientId: string, willDelayInterval: number) => ({
      clientId,
      clean: false,
      properties: { sessionExpiryInterval: 100 },
      will: { ...will, payload: Buffer.from(clientId), properties: { willDelayInterval } },
    });
    for (const [clientId, delay] of [
      ["back", 1],
      ["gone", 1],
    ] as const) {
      const client = await five(port, options(clientId, delay));
      client.socket.destroy();
    }
    const back = await five(port, options("back", 1));
    expect((await watcher.next("publish")).payload.toString()).toBe("gone");
    await back.ping();
    await watcher.ping();
    expect(watcher.ids("publish")).toEqual([]);
  });

  it("with a delay longer than its session is sent when the session ends", async () => {
    const { port } = await startTestBroker();
    const watcher = await five(port, { clientId: "watcher" });
    await subscribe(watcher, "wills/#");
    const delayed = { ...will, properties: { willDelayInterval: 1_000 } };
    const client = await five(port, { clientId: "a", will: delayed });
    client.socket.destroy();
    await watcher.next("publish");
    const kept = await five(port, { clientId: "b", will: delayed, properties: { sessionExpiryInterval: 1_000 } });
    kept.socket.destroy();
    await kept.untilClosed();
    await five(port, { clientId: "b", clean: true });
    expect((await watcher.next("publish")).payload.toString()).toBe("gone");
  });
});
