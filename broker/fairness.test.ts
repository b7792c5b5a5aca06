import { afterEach, describe, expect, it } from "vitest";
import type { InboundMessage } from "../platform/publish-gate.ts";
import { FakeGate, publishPacket, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

/** Never finishes with messages under `slow/`, like a log that is busy with dead letters. */
class SlowGate extends FakeGate {
  override accept(message: InboundMessage, done: (error?: Error) => void): void {
    if (message.topic.startsWith("slow/")) this.pending.push({ message, done });
    else done();
  }
}

const ids = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const WAIT_MS_MAX = 15_000;

async function publishAll(client: RawClient, count: number): Promise<void> {
  for (const id of ids(count)) {
    client.publish("quick", "1", { qos: 1, id });
    await until(() => client.ids("puback").includes(id), `PUBACK ${id}`);
  }
}

describe("clients whose messages take long leave room for others", () => {
  it.each([
    ["many messages", { inflight_max: 100, inflight_per_client_max: 50 }, 200, 1],
    ["large messages", { inflight_size_max: "2MiB", inflight_size_per_client_max: "512KiB" }, 40, 60_000],
  ])("when they send %s", async (_what, limits, count, bytes) => {
    const gate = new SlowGate();
    const { port } = await startTestBroker({ limits }, gate);
    const slow = await Promise.all(ids(6).map((n) => RawClient.connected(port, { clientId: `slow${n}` })));
    for (const client of slow) {
      client.send(...ids(count).map((id) => publishPacket("slow/1", "x".repeat(bytes), { qos: 1, id })));
    }
    await until(() => gate.pending.length > 10, "the gate to be busy", WAIT_MS_MAX);
    const honest = await RawClient.connected(port, { clientId: "honest" });
    await publishAll(honest, 100);
    expect(slow.every((client) => !client.closed)).toBe(true);
    gate.release();
  });
});

describe("a client that publishes faster than it may", () => {
  it.each([
    ["messages", { messages_per_second_max: 50 }, 125, 1, 1_400],
    // What is read at once, up to 64 KiB, may overdraw at the end.
    ["bytes", { bytes_per_second_max: "100KiB" }, 50, 5 * 1_024, 800],
  ])("is read more slowly, and loses none of its %s", async (limit, limits, count, bytes, leastMs) => {
    const { port, gate, metric } = await startTestBroker({ limits });
    const fast = await RawClient.connected(port, { clientId: "fast", keepalive: 1 });
    const startedMs = performance.now();
    fast.send(...ids(count).map((id) => publishPacket("fast", "x".repeat(bytes), { qos: 1, id })));
    const honest = await RawClient.connected(port, { clientId: "honest" });
    await publishAll(honest, 20);
    await until(() => fast.ids("puback").length === count, "all acknowledgements", WAIT_MS_MAX);
    // It has two and a half seconds' worth, of which the first second's is free.
    expect(performance.now() - startedMs).toBeGreaterThan(leastMs);
    expect(gate.messages.filter(({ topic }) => topic === "fast")).toHaveLength(count);
    expect(await metric("weir_broker_slowed_total", { limit })).toBeGreaterThan(0);
    expect(await metric("weir_broker_refused_total")).toBe(0);
  });

  it("still passes one message larger than a second's worth", async () => {
    const { port } = await startTestBroker({ limits: { bytes_per_second_max: "1KiB" } });
    const client = await RawClient.connected(port);
    client.publish("large", "x".repeat(3_000), { qos: 1, id: 1 });
    await client.next("puback");
  });
});
