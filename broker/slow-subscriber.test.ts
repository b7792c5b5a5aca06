import { afterEach, describe, expect, it } from "vitest";
import { RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

const KIB = 1024;
const PAYLOAD = "x".repeat(32 * KIB);

async function subscribe(client: RawClient, topic: string, qos: 0 | 1 | 2): Promise<void> {
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos }] });
  await client.next("suback");
}

/** A few MiB more than the sockets in between can hold. */
async function publishMuch(publisher: RawClient, topic: string, messages = 600): Promise<void> {
  for (let id = 1; id <= messages; id++) {
    publisher.publish(topic, PAYLOAD, { qos: 1, id });
    if (id % 20 === 0) await until(() => publisher.ids("puback").length >= id - 20, "acknowledgements");
  }
  await until(() => publisher.ids("puback").length === messages, "all acknowledgements");
}

describe("a subscriber that stops reading", () => {
  it("with QoS 0 delays no other client, loses counted messages, and gets new ones when it reads again", async () => {
    const { port, metric } = await startTestBroker({ limits: { drain_timeout: "60s" } });
    const frozen = await RawClient.connected(port, { clientId: "frozen" });
    const lively = await RawClient.connected(port, { clientId: "lively" });
    await subscribe(frozen, "a/#", 0);
    await subscribe(lively, "a/#", 0);
    frozen.socket.pause();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    await publishMuch(publisher, "a/b");
    await until(() => lively.ids("publish").length === 600, "all messages at the other subscriber");
    const dropped = await metric("weir_broker_refused_total", { reason: "slow-subscriber" });
    expect(dropped).toBeGreaterThan(0);
    frozen.socket.resume();
    await until(() => frozen.ids("publish").length === 600 - dropped, "what was not dropped");
    await frozen.ping();
    publisher.publish("a/last", "last");
    await until(
      () => frozen.received.some((packet) => packet.cmd === "publish" && packet.topic === "a/last"),
      "the last",
    );
  }, 20_000);

  it("with QoS 1 is disconnected before it uses too much memory, and its session keeps the messages", async () => {
    const { port, metric } = await startTestBroker({
      limits: { drain_timeout: "60s", subscriber_backlog_size_close: "2MiB" },
    });
    const frozen = await RawClient.connected(port, { clientId: "frozen", clean: false });
    await subscribe(frozen, "a/#", 1);
    frozen.socket.pause();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    await publishMuch(publisher, "a/b");
    expect(await metric("weir_broker_refused_total", { reason: "slow-subscriber" })).toBe(1);
    const again = await RawClient.connected(port, { clientId: "frozen", clean: false });
    await until(() => again.ids("publish").length === 600, "all messages", 10_000);
  }, 20_000);

  it("is disconnected after the drain timeout", async () => {
    const { port, metric } = await startTestBroker({ limits: { drain_timeout: "300ms" } });
    const frozen = await RawClient.connected(port, { clientId: "frozen" });
    await subscribe(frozen, "a/#", 0);
    frozen.socket.pause();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    await publishMuch(publisher, "a/b");
    await until(async () => (await metric("weir_broker_clients")) === 1, "the frozen client to be gone");
    expect(await metric("weir_broker_refused_total", { reason: "drain-timeout" })).toBe(1);
  }, 20_000);
});

describe("queues", () => {
  it("of offline clients are bounded, and dropped messages are counted", async () => {
    const { port, metric } = await startTestBroker({ limits: { queued_per_session_max: 10 } });
    const away = await RawClient.connected(port, { clientId: "away", clean: false });
    await subscribe(away, "a", 1);
    away.send({ cmd: "disconnect" });
    await away.untilClosed();
    const publisher = await RawClient.connected(port, { clientId: "publisher" });
    for (let id = 1; id <= 25; id++) publisher.publish("a", `${id}`, { qos: 1, id });
    await until(() => publisher.ids("puback").length === 25, "acknowledgements");
    await publisher.ping();
    expect(await metric("weir_broker_refused_total", { reason: "queue-full" })).toBe(15);
    const again = await RawClient.connected(port, { clientId: "away", clean: false });
    await until(() => again.ids("publish").length === 10, "the ten that were kept");
  });

  it("of sessions: the one offline the longest is evicted", async () => {
    const { port, metric } = await startTestBroker({ limits: { sessions_max: 2 } });
    for (const clientId of ["one", "two", "three"]) {
      const client = await RawClient.connected(port, { clientId, clean: false });
      await subscribe(client, "a", 1);
      client.send({ cmd: "disconnect" });
      await client.untilClosed();
    }
    expect(await metric("weir_broker_refused_total", { reason: "session-dropped" })).toBe(1);
    // Last, because its new session replaces another one.
    for (const [clientId, present] of [
      ["two", true],
      ["three", true],
      ["one", false],
    ] as const) {
      const client = new RawClient(port);
      client.send({ cmd: "connect", clientId, clean: false, keepalive: 0 });
      expect((await client.next("connack")).sessionPresent).toBe(present);
    }
  });

  it("of retained messages: beyond the limit of topics a message is forwarded but not retained", async () => {
    const { port, metric } = await startTestBroker({ limits: { retained_max: 1 } });
    const publisher = await RawClient.connected(port);
    for (const topic of ["a", "b"])
      publisher.send({ cmd: "publish", topic, payload: "1", qos: 0, dup: false, retain: true });
    await publisher.ping();
    await until(
      async () => (await metric("weir_broker_refused_total", { reason: "retained-full" })) === 1,
      "the count",
    );
    await subscribe(publisher, "#", 0);
    const kept = await publisher.next("publish");
    expect(kept.topic).toBe("a");
  });
});
