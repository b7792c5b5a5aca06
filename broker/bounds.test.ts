import { afterEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "../platform/log/memory.ts";
import { FakeGate, RawClient, startTestBroker, stopAll, type TestBroker, until } from "./testing/test-support.ts";

afterEach(stopAll);

/** A broker that keeps sessions in a log: its absent clients are trimmed a whole frame at a time. */
function startKeeping(limits: Readonly<Record<string, unknown>>): Promise<TestBroker> {
  const log = createMemoryLog({ nowUs: () => Date.now() * 1_000 });
  return startTestBroker({ limits }, new FakeGate(), { log, edge: "edge-1" });
}

async function leaveBehind(port: number, clientId: string, topic: string): Promise<void> {
  const client = await RawClient.connected(port, { clientId, clean: false });
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] });
  await client.next("suback");
  client.send({ cmd: "disconnect" });
  await client.untilClosed();
}

/** One at a time: each is safe before the next. */
async function publishEach(port: number, topic: string, payloads: readonly string[]): Promise<void> {
  const publisher = await RawClient.connected(port, { clientId: `to ${topic}` });
  for (const [i, payload] of payloads.entries()) {
    publisher.publish(topic, payload, { qos: 1, id: i + 1 });
    await publisher.next("puback");
  }
}

async function received(port: number, clientId: string, last: string): Promise<string[]> {
  const client = await RawClient.connected(port, { clientId, clean: false });
  const texts = () =>
    client.received.flatMap((packet) => (packet.cmd === "publish" ? [packet.payload.toString().slice(0, 9)] : []));
  await until(() => texts().at(-1) === last, `${last} at ${clientId}`);
  return texts();
}

const numbered = (count: number, filling = "") => Array.from({ length: count }, (_, i) => `m${i} ${filling}`.trim());

/** Its count, and whether the log has a line of it that names a client or topic. */
async function refused({ metric, log }: TestBroker, reason: string, of: string) {
  const isNamed = log.some((line) => line.reason === reason && (line.clientId === of || line.topic === of));
  return { count: await metric("weir_broker_refused_total", { reason }), isNamed };
}

describe("what the log keeps for clients is bounded", () => {
  it("a session's queue: the oldest messages go, with a count and a line", async () => {
    const broker = await startKeeping({ queued_per_session_max: 20 });
    await leaveBehind(broker.port, "away", "a");
    await publishEach(broker.port, "a", numbered(90));
    await until(async () => (await refused(broker, "queue-full", "away")).count > 0, "a count while it is away");
    const all = await received(broker.port, "away", "m89");
    expect(all).toEqual(numbered(90).slice(-20));
    expect(await refused(broker, "queue-full", "away")).toEqual({ count: 70, isNamed: true });
  });

  it("all queues together: the longest one loses its oldest", async () => {
    const broker = await startKeeping({ queued_size_max: "100KiB" });
    await leaveBehind(broker.port, "short", "b");
    await leaveBehind(broker.port, "long", "a");
    await publishEach(broker.port, "b", numbered(5, "x".repeat(4_000)));
    await publishEach(broker.port, "a", numbered(60, "x".repeat(4_000)));
    const ofLong = () => refused(broker, "queue-full", "long");
    await until(async () => (await ofLong()).count >= 35, "the bound to be kept");
    const long = await received(broker.port, "long", "m59 xxxxx");
    expect(await received(broker.port, "short", "m4 xxxxxx")).toHaveLength(5);
    expect(long).toEqual(
      numbered(60, "x".repeat(9))
        .slice(-long.length)
        .map((text) => text.slice(0, 9)),
    );
    expect(long.length).toBeGreaterThan(10);
    expect(await ofLong()).toEqual({ count: 60 - long.length, isNamed: true });
    expect((await refused(broker, "queue-full", "short")).isNamed).toBe(false);
  });

  it("retained messages: further topics have none", async () => {
    const broker = await startKeeping({ retained_max: 2 });
    const client = await RawClient.connected(broker.port, { clientId: "c" });
    for (const [i, topic] of ["a", "b", "c", "a"].entries()) {
      client.send({ cmd: "publish", topic, payload: `${i}`, qos: 1, dup: false, retain: true, messageId: i + 1 });
      await client.next("puback");
    }
    client.send({ cmd: "subscribe", messageId: 9, subscriptions: [{ topic: "#", qos: 0 }] });
    await client.next("suback");
    await client.ping();
    const retained = client.received.flatMap((each) =>
      each.cmd === "publish" ? [`${each.topic} ${each.payload}`] : [],
    );
    expect(retained.sort()).toEqual(["a 3", "b 1"]);
    expect(await refused(broker, "retained-full", "c")).toEqual({ count: 1, isNamed: true });
  });

  it("sessions: the one whose client has been away the longest goes", async () => {
    const broker = await startKeeping({ sessions_max: 3 });
    for (const clientId of ["one", "two", "three", "four"]) await leaveBehind(broker.port, clientId, "a");
    expect(await refused(broker, "session-dropped", "one")).toEqual({ count: 1, isNamed: true });
    const present = async (clientId: string) => {
      const client = await RawClient.connected(broker.port, { clientId, clean: false });
      return client.connack?.sessionPresent;
    };
    for (const clientId of ["two", "three", "four"]) expect(await present(clientId)).toBe(true);
    expect(await present("one")).toBe(false);
  });
});
