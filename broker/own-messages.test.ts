import type { IPublishPacket, Packet } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { FakeGate, RawClient, startTestBroker, stopAll } from "./testing/test-support.ts";

afterEach(stopAll);

const VERSIONS = [4, 5] as const;

function publish(qos: 0 | 1 | 2, retain: boolean, payload = "own"): IPublishPacket {
  return { cmd: "publish", topic: "a", payload, qos, retain, dup: false, ...(qos === 0 ? {} : { messageId: 9 }) };
}

function subscribe(more: { readonly rh?: number } = {}): Packet {
  return { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 2, ...more }] };
}

/** What the client got until it subscribed and sent one more message: `retained text`, `live text` or `suback`. */
async function receivedBy(client: RawClient): Promise<string[]> {
  client.send({ cmd: "publish", topic: "a", payload: "last", qos: 0, retain: false, dup: false });
  const texts = () =>
    client.received.flatMap((packet) => {
      if (packet.cmd === "suback") return ["suback"];
      if (packet.cmd !== "publish") return [];
      return [`${packet.retain ? "retained" : "live"} ${packet.payload.toString()}`];
    });
  await expect.poll(texts, { timeout: 10_000, interval: 5 }).toContain("live last");
  return texts().filter((text) => text !== "live last");
}

describe.each(VERSIONS)("a client of version %i that publishes and then subscribes", (protocolVersion) => {
  it.each([0, 1, 2] as const)("gets its retained message with QoS %i as retained, after the SUBACK", async (qos) => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port, { protocolVersion });
    client.send(publish(qos, true), subscribe());
    expect(await receivedBy(client)).toEqual(["suback", "retained own"]);
  });

  it.each([0, 1, 2] as const)("does not get its message with QoS %i that is not retained", async (qos) => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port, { protocolVersion });
    // Somebody else has the subscription: the message is on its way.
    const other = await RawClient.connected(port, { clientId: "other" });
    other.send(subscribe());
    await other.next("suback");
    client.send(publish(qos, false), subscribe());
    expect(await receivedBy(client)).toEqual(["suback"]);
    expect((await other.next("publish")).payload.toString()).toBe("own");
  });

  it("does so while the log is slow, too", async () => {
    const gate = new FakeGate({ held: true });
    const { port } = await startTestBroker({}, gate);
    const client = await RawClient.connected(port, { protocolVersion });
    client.send(publish(1, true), subscribe());
    await expect.poll(() => gate.pending.length).toBe(1);
    gate.held = false;
    gate.release();
    expect(await receivedBy(client)).toEqual(["suback", "retained own"]);
  });
});

it("retain handling 2 keeps the client's own retained message away", async () => {
  const { port } = await startTestBroker();
  const client = await RawClient.connected(port, { protocolVersion: 5 });
  client.send(publish(0, true), subscribe({ rh: 2 }));
  expect(await receivedBy(client)).toEqual(["suback"]);
});

describe("an empty retained payload", () => {
  it.each([1, 2] as const)("with QoS %i clears the topic, and is acknowledged as a success", async (qos) => {
    const gate = new FakeGate();
    const { port } = await startTestBroker({}, gate);
    const client = await RawClient.connected(port, { protocolVersion: 5 });
    client.send(publish(1, true));
    expect((await client.next("puback")).reasonCode ?? 0).toBe(0);
    client.send(publish(qos, true, ""));
    expect((await client.next(qos === 1 ? "puback" : "pubrec")).reasonCode ?? 0).toBe(0);
    client.send(subscribe());
    expect(await receivedBy(client)).toEqual(["suback"]);
    // It is no reading.
    expect(gate.texts).toEqual(["a own", "a last"]);
  });

  it("reaches subscribers, as any message", async () => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.send(subscribe(), publish(0, true, ""));
    expect(await receivedBy(client)).toEqual(["suback", "live "]);
  });
});

describe("a client of MQTT 3.1", () => {
  /** A repeated packet of that version. */
  const withDup = (bytes: readonly number[]) => Buffer.from([(bytes[0] ?? 0) | 0x08, ...bytes.slice(1)]);
  const SUBSCRIBE = [0x82, 6, 0, 1, 0, 1, 0x61, 0];
  const UNSUBSCRIBE = [0xa2, 5, 0, 2, 0, 1, 0x61];
  const PUBREL = [0x62, 2, 0, 9];

  it("may repeat PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP", async () => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port, { protocolVersion: 3, protocolId: "MQIsdp" });
    client.send(publish(2, false));
    await client.next("pubrec");
    client.sendBytes(Buffer.concat([withDup(PUBREL), withDup(SUBSCRIBE), withDup(UNSUBSCRIBE)]));
    await client.next("pubcomp");
    await client.next("suback");
    await client.next("unsuback");
  });

  it.each([
    ["PUBREL", PUBREL],
    ["SUBSCRIBE", SUBSCRIBE],
    ["UNSUBSCRIBE", UNSUBSCRIBE],
  ] as const)("of 3.1.1 may not repeat %s so", async (_, bytes) => {
    const { port } = await startTestBroker();
    const client = await RawClient.connected(port);
    client.sendBytes(withDup(bytes));
    await client.untilClosed();
  });
});
