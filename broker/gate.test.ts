import { afterEach, describe, expect, it } from "vitest";
import { FakeGate, publishPacket, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

describe("the gate", () => {
  it("delays PUBACK until the gate has finished", async () => {
    const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.publish("a/b", "1", { qos: 1, id: 7 });
    await until(() => gate.pending.length === 1, "the message");
    await client.ping();
    expect(client.ids("puback")).toEqual([]);
    gate.release();
    expect((await client.next("puback")).messageId).toBe(7);
    const { topic, qos, retain, clientId, payload } = gate.messages[0] ?? {};
    expect({ topic, qos, retain, clientId }).toEqual({ topic: "a/b", qos: 1, retain: false, clientId: "raw" });
    expect(Buffer.from(payload ?? []).toString()).toBe("1");
  });

  it("acknowledges in the order of arrival when the gate finishes in another order", async () => {
    const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    const ids = numbers(50);
    client.send(...ids.map((id) => publishPacket("a/b", `${id}`, { qos: 1, id })));
    await until(() => gate.pending.length === 50, "the messages");
    gate.release({ newestFirst: true });
    await until(() => client.ids("puback").length === 50, "the acknowledgements");
    expect(client.ids("puback")).toEqual(ids);
  });

  it("keeps the order between retained messages, which Aedes acknowledges, and others, which we do", async () => {
    const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    const ids = numbers(20);
    client.send(...ids.map((id) => publishPacket("a/b", `${id}`, { qos: 1, id, retain: id % 3 === 0 })));
    await until(() => gate.pending.length === 20, "the messages");
    for (const { done } of gate.pending.splice(0).reverse()) {
      done();
      await Promise.resolve();
    }
    await until(() => client.ids("puback").length === 20, "the acknowledgements");
    expect(client.ids("puback")).toEqual(ids);
  });

  it("gets QoS 0 messages, and counts them as in flight even if their sender has left", async () => {
    const { port, gate, metric } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.send(...numbers(30).map((id) => publishPacket("a/b", `${id}`)));
    client.socket.end();
    await until(() => gate.pending.length === 30, "the messages");
    gate.release();
    await until(async () => (await metric("weir_broker_acknowledged_total")) === 30, "the count");
    expect(await metric("weir_broker_inflight")).toBe(0);
    expect(await metric("weir_broker_messages_total")).toBe(30);
  });

  it("drops the connection without PUBACK when the gate fails", async () => {
    const { port, gate, metric } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.publish("a/b", "1", { qos: 1, id: 1 });
    client.publish("a/b", "2", { qos: 1, id: 2 });
    await until(() => gate.pending.length === 2, "the messages");
    gate.pending[0]?.done(new Error("closed for good"));
    gate.pending[1]?.done();
    await client.untilClosed();
    expect(client.ids("puback")).toEqual([]);
    expect(await metric("weir_broker_refused_total", { reason: "gate-closed" })).toBe(1);
    expect(await metric("weir_broker_inflight")).toBe(0);
  });

  it("ignores a second call of `done` for the same message", async () => {
    const { port, gate, metric } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.publish("a/b", "1", { qos: 1, id: 1 });
    await until(() => gate.pending.length === 1, "the message");
    gate.pending[0]?.done();
    gate.pending[0]?.done(new Error("again"));
    await client.next("puback");
    await client.ping();
    expect(await metric("weir_broker_inflight")).toBe(0);
  });
});

describe("QoS 2", () => {
  it("is stored once, however often it is repeated", async () => {
    const { port, gate } = await startTestBroker({}, new FakeGate({ held: true }));
    const subscriber = await RawClient.connected(port, { clientId: "subscriber" });
    subscriber.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "#", qos: 0 }] });
    await subscriber.next("suback");
    const client = await RawClient.connected(port, { clientId: "publisher" });
    client.publish("a/b", "1", { qos: 2, id: 9 });
    await until(() => gate.pending.length === 1, "the message");
    client.send(publishPacket("a/b", "1", { qos: 2, id: 9, dup: true }));
    await client.ping();
    expect(gate.messages.length).toBe(1);
    gate.release();
    expect((await client.next("pubrec")).messageId).toBe(9);
    expect((await client.next("pubrec")).messageId).toBe(9);
    client.send(publishPacket("a/b", "1", { qos: 2, id: 9, dup: true }));
    expect((await client.next("pubrec")).messageId).toBe(9);
    client.send({ cmd: "pubrel", messageId: 9 });
    expect((await client.next("pubcomp")).messageId).toBe(9);
    expect(gate.messages.length).toBe(1);
    // Released, so the same id now means a new message.
    client.publish("a/b", "2", { qos: 2, id: 9 });
    await until(() => gate.pending.length === 1, "the next message");
    gate.release();
    await client.next("pubrec");
    await until(() => subscriber.ids("publish").length === 2, "both at the subscriber");
    await subscriber.ping();
    expect(subscriber.ids("publish").length).toBe(2);
  });
});

describe("messages in flight", () => {
  it("is bounded for one client: reading stops and later resumes", async () => {
    const limits = { inflight_per_client_max: 10 };
    const { port, gate, metric } = await startTestBroker({ limits }, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    const other = await RawClient.connected(port, { clientId: "other" });
    const ids = numbers(1000);
    client.send(...ids.map((id) => publishPacket("a/b", "x".repeat(200), { qos: 1, id })));
    let mostPending = 0;
    await until(() => gate.pending.length === 10, "the first ten");
    other.publish("other", "1", { qos: 1, id: 1 });
    await until(() => gate.pending.length === 11, "the other client's message");
    expect(await metric("weir_broker_paused_clients")).toBe(1);
    await until(() => {
      mostPending = Math.max(mostPending, gate.pending.filter(({ message }) => message.topic === "a/b").length);
      gate.release();
      return client.ids("puback").length === 1000;
    }, "all acknowledgements");
    expect(mostPending).toBeLessThanOrEqual(10);
    expect(client.ids("puback")).toEqual(ids);
    expect(await metric("weir_broker_paused_clients")).toBe(0);
  });

  it("is bounded across all clients, and every client is resumed", async () => {
    const limits = { inflight_max: 20 };
    const { port, gate } = await startTestBroker({ limits }, new FakeGate({ held: true }));
    const clients = await Promise.all(numbers(15).map((n) => RawClient.connected(port, { clientId: `c${n}` })));
    for (const client of clients) {
      for (const id of numbers(40)) client.publish("a/b", "x", { qos: 1, id });
    }
    let mostPending = 0;
    await until(() => {
      mostPending = Math.max(mostPending, gate.pending.length);
      gate.release();
      return clients.every((client) => client.ids("puback").length === 40);
    }, "all acknowledgements");
    expect(mostPending).toBeLessThanOrEqual(20);
    for (const client of clients) expect(client.ids("puback")).toEqual(numbers(40));
  });

  it("is bounded in bytes", async () => {
    const limits = { inflight_size_max: "10000B" };
    const { port, gate } = await startTestBroker({ limits }, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    // One at a time, so that a chunk of the socket holds few of them.
    for (const id of numbers(60)) {
      client.publish("a/b", "x".repeat(5_000), { qos: 1, id });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => gate.pending.length > 1, "some messages");
    await until(() => {
      gate.release();
      return client.ids("puback").length === 60;
    }, "all acknowledgements");
    expect(client.ids("puback")).toEqual(numbers(60));
  });

  it("lets new clients connect, and answers them, while the gate is full", async () => {
    const { port, gate } = await startTestBroker({ limits: { inflight_max: 1 } }, new FakeGate({ held: true }));
    const first = await RawClient.connected(port, { clientId: "first" });
    first.publish("a", "1", { qos: 1, id: 1 });
    await until(() => gate.pending.length === 1, "the message");
    const second = await RawClient.connected(port, { clientId: "second" });
    await second.ping();
    second.publish("a", "2", { qos: 1, id: 1 });
    await first.ping();
    expect(gate.messages.length).toBe(1);
    gate.release();
    await until(() => gate.pending.length === 1, "the second client's message");
    gate.release();
    await second.next("puback");
  });
});

describe("a client whose publishes wait", () => {
  it("gets answers to its pings, stays connected past its keep-alive, and is read completely later", async () => {
    const { port, gate, metric } = await startTestBroker({ limits: { inflight_max: 1 } }, new FakeGate({ held: true }));
    const first = await RawClient.connected(port, { clientId: "first" });
    first.publish("first", "1", { qos: 1, id: 1 });
    await until(() => gate.pending.length === 1, "the message");
    const client = await RawClient.connected(port, { keepalive: 1 });
    client.send({ cmd: "pingreq" }, publishPacket("a", "1", { qos: 1, id: 1 }), { cmd: "pingreq" });
    await client.next("pingresp");
    await client.next("pingresp");
    client.send(publishPacket("a", "2", { qos: 1, id: 2 }), { cmd: "pingreq" }, { cmd: "pingreq" });
    await client.next("pingresp");
    await client.next("pingresp");
    const heldMs = performance.now();
    await until(() => performance.now() - heldMs > 2_500, "more than the keep-alive");
    expect(client.closed).toBe(false);
    gate.held = false;
    gate.release();
    await until(() => client.ids("puback").length === 2, "both acknowledgements");
    await client.ping();
    expect(gate.texts).toEqual(["first 1", "a 1", "a 2"]);
    expect(client.ids("pingresp")).toEqual([]);
    expect(await metric("weir_broker_refused_total")).toBe(0);
  });

  it("and that disconnects loses none of its messages", async () => {
    const limits = { inflight_per_client_max: 10 };
    const { port, gate } = await startTestBroker({ limits }, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.send(...numbers(500).map((n) => publishPacket("a", `${n}`)));
    client.socket.end();
    await until(() => gate.pending.length === 10, "the first ten");
    gate.held = false;
    gate.release();
    await until(() => gate.messages.length === 500, "all messages");
    await client.untilClosed();
    expect(gate.texts).toEqual(numbers(500).map((n) => `a ${n}`));
  });
});

describe("a will", () => {
  it("goes through the gate and then to subscribers", async () => {
    const { port, gate } = await startTestBroker();
    const subscriber = await RawClient.connected(port, { clientId: "subscriber" });
    subscriber.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "wills/#", qos: 1 }] });
    await subscriber.next("suback");
    const will = { topic: "wills/raw", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const client = await RawClient.connected(port, { will });
    client.socket.destroy();
    const delivered = await subscriber.next("publish");
    expect(delivered.payload.toString()).toBe("gone");
    expect(gate.texts).toEqual(["wills/raw gone"]);
    expect(gate.messages[0]?.clientId).toBe("raw");
  });

  it("is not sent when the client disconnects or the broker stops", async () => {
    const { port, gate, stop } = await startTestBroker();
    const will = { topic: "wills/raw", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const polite = await RawClient.connected(port, { clientId: "polite", will });
    polite.send({ cmd: "disconnect" });
    await polite.untilClosed();
    const other = await RawClient.connected(port, { clientId: "other", will });
    await stop();
    await other.untilClosed();
    expect(gate.texts).toEqual([]);
  });
});

describe("stopping", () => {
  it("waits for messages in flight, so that their PUBACKs are sent", async () => {
    const { port, gate, stop } = await startTestBroker({}, new FakeGate({ held: true }));
    const client = await RawClient.connected(port);
    client.publish("a/b", "1", { qos: 1, id: 1 });
    await until(() => gate.pending.length === 1, "the message");
    const stopped = stop();
    const late = new RawClient(port);
    await late.untilClosed();
    gate.release();
    await stopped;
    expect(client.ids("puback")).toEqual([1]);
    await client.untilClosed();
    await stop();
  });
});
