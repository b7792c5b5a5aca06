import { afterEach, describe, expect, it } from "vitest";
import { publishPacket, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

/** A CONNECT with any flags, will and client id. */
function connectBytes(flags: number, ...texts: string[]): Buffer {
  const parts = [Buffer.from("\u0000\u0004MQTT\u0004"), Buffer.from([flags, 0, 0])];
  for (const text of texts)
    parts.push(Buffer.from([Buffer.byteLength(text) >> 8, Buffer.byteLength(text)]), Buffer.from(text));
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** A CONNECT of any protocol level, otherwise in the form of 3.1.1. */
function levelBytes(level: number, name: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
  const body = Buffer.concat([text(name), Buffer.from([level, 2, 0, 0]), text("five")]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

describe("CONNECT", () => {
  it("without a client id is refused with 2 unless the session is clean", async () => {
    const { port, metric } = await startTestBroker();
    const nameless = new RawClient(port);
    nameless.sendBytes(connectBytes(0, ""));
    expect((await nameless.next("connack")).returnCode).toBe(2);
    await nameless.untilClosed();
    expect(await new RawClient(port).connect({ clientId: "", clean: true })).toBe(0);
    expect(await metric("weir_broker_refused_total", { reason: "bad-client-id" })).toBe(1);
  });

  it.each(["a\nb", "a\u007fb", "x".repeat(300)])("with a bad client id is refused with 2", async (clientId) => {
    const { port } = await startTestBroker();
    expect(await new RawClient(port).connect({ clientId })).toBe(2);
  });

  it.each([
    [2, "MQTT", 4],
    [3, "MQTT", 4],
    [4, "MQIsdp", 4],
    [6, "MQTT", 5],
  ] as const)("of protocol level %i of %s is refused, and the log says what to set", async (level, name, version) => {
    const { port, log, metric } = await startTestBroker();
    const client = new RawClient(port, { version });
    client.sendBytes(levelBytes(level, name));
    const connack = await client.next("connack");
    expect(version === 5 ? connack.reasonCode : connack.returnCode).toBe(version === 5 ? 0x84 : 1);
    await client.untilClosed();
    expect(log.filter(({ reason }) => reason !== undefined)).toMatchObject([
      {
        reason: "mqtt-version",
        clientId: "five",
        address: "127.0.0.1",
        msg: `connection refused: the client speaks MQTT of protocol level ${level}; set it to MQTT 3.1.1 (level 4) or MQTT 5 (level 5)`,
      },
    ]);
    expect(await metric("weir_broker_refused_total", { reason: "mqtt-version" })).toBe(1);
  });

  it("with U+0000 in its client id closes the connection", async () => {
    const { port } = await startTestBroker();
    expect(await new RawClient(port).connect({ clientId: "a\u0000b" })).toBe("closed");
  });

  it("with a will of QoS 3 closes the connection", async () => {
    const { port, metric } = await startTestBroker();
    const client = new RawClient(port);
    client.sendBytes(connectBytes(0x02 | 0x04 | 0x18, "id", "will/topic", "gone"));
    await client.untilClosed();
    expect(client.received).toEqual([]);
    expect(await metric("weir_broker_refused_total", { reason: "bad-will" })).toBe(1);
  });

  it.each(["a/+", "#", "", "a\u0000"])("with a will to `%s` closes the connection", async (topic) => {
    const { port, gate } = await startTestBroker();
    const client = new RawClient(port);
    client.sendBytes(connectBytes(0x02 | 0x04, "id", topic, "gone"));
    await client.untilClosed();
    expect(gate.messages).toEqual([]);
  });

  it("with a will to a $ topic connects, and the will is dropped and counted", async () => {
    const { port, gate, metric } = await startTestBroker();
    const client = new RawClient(port);
    client.sendBytes(connectBytes(0x02 | 0x04, "id", "$SYS/x", "gone"));
    expect((await client.next("connack")).returnCode).toBe(0);
    expect(await metric("weir_broker_refused_total", { reason: "system-topic" })).toBe(1);
    client.socket.destroy();
    await until(async () => (await metric("weir_broker_clients")) === 0, "the client to be gone");
    expect(gate.messages).toEqual([]);
  });

  it("may be followed by any number of packets at once", async () => {
    const { port, gate } = await startTestBroker();
    const client = new RawClient(port);
    const publishes = Array.from({ length: 200 }, (_, i) => publishPacket("a", `${i}`, { qos: 1, id: i + 1 }));
    client.send({ cmd: "connect", clientId: "eager", clean: true, keepalive: 0 }, ...publishes);
    await until(() => client.ids("puback").length === 200, "all acknowledgements");
    expect(gate.messages.length).toBe(200);
  });

  it("must be the first packet, and the only one of its kind", async () => {
    const { port } = await startTestBroker();
    const early = new RawClient(port);
    early.publish("a", "1");
    await early.untilClosed();
    const twice = await RawClient.connected(port);
    twice.send({ cmd: "connect", clientId: "raw", clean: true, keepalive: 0 });
    await twice.untilClosed();
  });

  it("must arrive in time", async () => {
    const { port } = await startTestBroker({ limits: { connect_timeout: "50ms" } });
    await new RawClient(port).untilClosed();
  });

  it("above the limit of clients is refused with 3, unless it replaces the same client", async () => {
    const { port, metric } = await startTestBroker({ limits: { clients_max: 2 } });
    await RawClient.connected(port, { clientId: "a" });
    const b = await RawClient.connected(port, { clientId: "b" });
    expect(await new RawClient(port).connect({ clientId: "c" })).toBe(3);
    await RawClient.connected(port, { clientId: "b" });
    await b.untilClosed();
    expect(await metric("weir_broker_clients")).toBe(2);
    expect(await metric("weir_broker_refused_total", { reason: "too-many-clients" })).toBe(1);
  });
});

describe("PUBLISH", () => {
  it.each([
    ["a\u0000b", "bad-topic"],
    ["a\ufffdb", "bad-topic"],
    ["$SYS/fake", "system-topic"],
    ["$anything", "system-topic"],
    ["a/".repeat(40), "bad-topic"],
    ["a/+/b", "bad-topic"],
    ["a/#", "bad-topic"],
  ])("to %j closes the connection: %s", async (topic, reason) => {
    const { port, gate, metric } = await startTestBroker();
    const client = await RawClient.connected(port);
    const topicBytes = Buffer.from(topic);
    const head = Buffer.from([0x32, topicBytes.length + 4, 0, topicBytes.length]);
    client.sendBytes(Buffer.concat([head, topicBytes, Buffer.from([0, 1])]));
    await client.untilClosed();
    expect(client.ids("puback")).toEqual([]);
    expect(gate.messages).toEqual([]);
    expect(await metric("weir_broker_refused_total", { reason })).toBe(1);
  });

  it("with invalid UTF-8 in its topic closes the connection [MQTT-1.5.3-1]", async () => {
    const { port, gate } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.sendBytes(Buffer.from([0x32, 6, 0, 2, 0x61, 0xff, 0, 1]));
    await client.untilClosed();
    expect(gate.messages).toEqual([]);
  });

  it("with other control characters in its topic reaches the gate, which keeps it as a dead letter", async () => {
    const { port, gate } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.publish("a/\u0007b", "1", { qos: 1, id: 1 });
    await client.next("puback");
    expect(gate.texts).toEqual(["a/\u0007b 1"]);
  });

  it("with packet id 0 closes the connection", async () => {
    const { port, gate, metric } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.sendBytes(Buffer.from([0x32, 5, 0, 1, 0x61, 0, 0]));
    await client.untilClosed();
    expect(gate.messages).toEqual([]);
    expect(await metric("weir_broker_refused_total", { reason: "packet-id-zero" })).toBe(1);
  });

  it("that is too large closes the connection before it has arrived", async () => {
    const { port, metric } = await startTestBroker({ limits: { packet_size_max: "1000B" } });
    const client = await RawClient.connected(port);
    client.publish("a", "x".repeat(900), { qos: 1, id: 1 });
    await client.next("puback");
    client.sendBytes(Buffer.from([0x32, 0xff, 0x7f, 0, 1]));
    await client.untilClosed();
    expect(await metric("weir_broker_refused_total", { reason: "packet-too-large" })).toBe(1);
  });
});

describe("SUBSCRIBE", () => {
  it.each(["a+", "a/#b", "a/+b/c", "a\u0000", "#/a", "", "$share/a", "$share//a", "$share/+/a"])(
    "to the malformed filter %j closes the connection",
    async (topic) => {
      const { port } = await startTestBroker();
      const client = await RawClient.connected(port);
      client.sendBytes(
        Buffer.concat([
          Buffer.from([0x82, topic.length + 5, 0, 1, 0, topic.length]),
          Buffer.from(topic),
          Buffer.from([1]),
        ]),
      );
      await client.untilClosed();
      expect(client.ids("suback")).toEqual([]);
    },
  );

  it("with packet id 0 closes the connection", async () => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.sendBytes(Buffer.from([0x82, 0x06, 0, 0, 0, 1, 0x61, 0]));
    await client.untilClosed();
  });

  it("to more filters than allowed is refused", async () => {
    const { port } = await startTestBroker({ limits: { subscriptions_per_client_max: 2 } });
    const client = await RawClient.connected(port);
    const subscriptions = ["a", "b", "c"].map((topic) => ({ topic, qos: 0 as const }));
    client.send({ cmd: "subscribe", messageId: 1, subscriptions });
    expect((await client.next("suback")).granted).toEqual([0, 0, 0x80]);
    client.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a"] });
    await client.next("unsuback");
    client.send({ cmd: "subscribe", messageId: 3, subscriptions: [{ topic: "c", qos: 0 }] });
    expect((await client.next("suback")).granted).toEqual([0]);
  });
});

describe("silence", () => {
  it("longer than one and a half times the keep-alive ends the connection", async () => {
    const { port, metric } = await startTestBroker();
    const silent = await RawClient.connected(port, { clientId: "silent", keepalive: 1 });
    const unlimited = await RawClient.connected(port, { clientId: "unlimited", keepalive: 0 });
    await silent.untilClosed();
    await unlimited.ping();
    expect(await metric("weir_broker_refused_total", { reason: "keepalive" })).toBe(1);
  });
});
