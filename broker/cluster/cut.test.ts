import { pino } from "pino";
import { expect, test, vi } from "vitest";
import { connectJetStreamLog } from "../../platform/log/jetstream.ts";
import type { Log } from "../../platform/log/port.ts";
import { JetStreamStore } from "../store/jetstream/jetstream-store.ts";
import { copyFor, LIMITS, listed, message, RecordedEvents, readAll, textOf, WISH } from "../store/testing/store-kit.ts";
import { StoreCluster } from "./store-cluster.ts";
import { RecordedClusterEvents } from "./testing/cluster-kit.ts";
import { CUT_MS, startRemoteNats } from "./testing/namespace.ts";

vi.setConfig({ testTimeout: 240_000 });
const POLL = { timeout: 60_000, interval: 50 };
const each = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
const retention = { readings: each, windows: each, alerts: each, deadLetters: each };

async function openEdge(edge: string, servers: string) {
  const logger = pino({ level: "silent" });
  const log: Log = await connectJetStreamLog({ servers, name: edge, partitions: 1, retention, logger });
  const failures: string[] = [];
  const nowUs = () => Date.now() * 1_000;
  const store = new JetStreamStore({
    ...{ log, limits: LIMITS, edge, nowUs },
    onFailed: (what, error) => failures.push(`${what}: ${error}`),
  });
  let cluster: StoreCluster | undefined;
  const stored = new RecordedEvents((clientId, record) => void cluster?.sessionChanged(clientId, record));
  await store.start(stored);
  cluster = new StoreCluster({ store, bus: log.bus, edge, nowUs, nowMs: () => performance.now(), heartbeatMs: 100 });
  const events = new RecordedClusterEvents();
  await cluster.start(events);
  async function publish(text: string, clientIds: readonly string[]): Promise<void> {
    const published = message(text, { topic: "plant/line-1" });
    await store.enqueue(published, [...clientIds.map((id) => copyFor(id)), ...(cluster?.inboxes(published) ?? [])]);
  }
  return { log, store, stored, cluster, events, failures, publish };
}

test("two edges go on through a cut, and agree afterwards", async (context) => {
  const nats = await startRemoteNats(2);
  if ("reason" in nats) return context.skip(nats.reason);
  const [near = "", far = ""] = nats.servers;
  const one = await openEdge("one", near);
  const two = await openEdge("two", far);
  try {
    await expect.poll(() => two.cluster.edges(), POLL).toEqual(["one", "two"]);
    const atOne = await one.store.claim("c1", WISH);
    const atTwo = await two.store.claim("c2", { ...WISH, will: { message: message("will"), delaySeconds: 600 } });
    await Promise.all([one.cluster.subscribe("plant/#"), two.cluster.subscribe("plant/#")]);
    await one.publish("before", ["c1", "c2"]);

    nats.cut(1);
    const endsAtMs = performance.now() + CUT_MS;
    const sentByOne: string[] = [];
    const sentByTwo: string[] = [];
    const waiting: Promise<void>[] = [];
    let settled = 0;
    for (let i = 0; performance.now() < endsAtMs; i++) {
      sentByOne.push(`one ${i}`);
      // An edge that is not cut off publishes to the clients of both.
      await one.publish(`one ${i}`, ["c1", "c2"]);
      sentByTwo.push(`two ${i}`);
      waiting.push(two.publish(`two ${i}`, ["c1", "c2"]).then(() => void settled++));
      await new Promise((resolve) => setTimeout(resolve, CUT_MS / 100));
    }
    expect(settled).toBe(0);
    await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one"]);
    expect(two.cluster.edges()).toEqual(["one", "two"]);
    await expect.poll(() => one.store.session("c2")?.awayAtUs, POLL).toBeDefined();
    expect(two.store.session("c2")).toEqual(atTwo.record);

    nats.restore(1);
    await Promise.all(waiting);
    await one.publish("after", ["c1", "c2"]);
    await expect.poll(() => one.cluster.edges(), POLL).toEqual(["one", "two"]);
    const all = ["before", ...sentByOne, ...sentByTwo, "after"];
    for (const { queue } of [atOne, atTwo]) {
      await expect.poll(() => queue.length, POLL).toBe(all.length);
      const got = await readAll(queue);
      const texts = got.map((queued) => textOf(queued.message));
      expect(texts).toEqual(all);
      expect(got.map(({ ordinal }) => ordinal)).toEqual(all.map((_, i) => i));
    }
    expect(listed(await readAll(atOne.queue))).toEqual([]);
    // Clients without a stored session get what is published at the other edge.
    const inboxTexts = (events: RecordedClusterEvents) => events.messages.map((text) => text.slice(2));
    await expect.poll(() => inboxTexts(two.events), POLL).toEqual(["before", ...sentByOne, "after"]);
    await expect.poll(() => inboxTexts(one.events), POLL).toEqual(sentByTwo);
    // Edge two was taken for dead. Its client was there all the time, and has its session and its will.
    for (const { store } of [one, two]) await expect.poll(() => store.session("c2"), POLL).toEqual(atTwo.record);
    expect(two.stored.taken).toEqual([]);
    await atTwo.queue.received(0);
    expect([...one.failures, ...two.failures, ...one.events.failures, ...two.events.failures]).toEqual([]);
  } finally {
    nats.restore(1);
    for (const { cluster, store, log } of [two, one]) {
      await cluster.stop();
      await store.stop();
      await log.close();
    }
    await nats.stop();
  }
});
