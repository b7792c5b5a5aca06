import { describe, expect, test } from "vitest";
import { TakenOverError } from "../port.ts";
import { copyFor, listed, message, POLL, readAll, type StoreHarness, SUBSCRIPTION, WISH } from "./store-kit.ts";

/** Several stores at a time. */
// Long: a list of cases.
export function describeEdges(harness: () => StoreHarness): void {
  describe("two edges", () => {
    test("see each other's sessions, retained messages and copies", async () => {
      const one = await harness().open({ edge: "edge-1" });
      const two = await harness().open({ edge: "edge-2" });
      const { record, queue } = await one.store.claim("c", WISH);
      await one.store.save({ ...record, subscriptions: [SUBSCRIPTION] });
      await expect.poll(() => two.store.session("c")?.subscriptions, POLL).toEqual([SUBSCRIPTION]);
      expect(two.events.sessions.get("c")?.edge).toBe("edge-1");
      await two.store.enqueue(message("from two"), [copyFor("c")]);
      await expect.poll(async () => listed(await readAll(queue)), POLL).toEqual(["0 from two"]);
      await two.store.retain("r", message("kept", { topic: "r", retain: true }));
      await expect.poll(() => one.store.retained().size, POLL).toBe(1);
      await one.store.retain("r", null);
      await expect.poll(() => two.store.retained().size, POLL).toBe(0);
      await one.store.remove("c", record.epoch);
      await expect.poll(() => two.store.session("c"), POLL).toBeUndefined();
    });

    test("a claim at the other edge takes the session with all its progress", async () => {
      const one = await harness().open({ edge: "edge-1" });
      const two = await harness().open({ edge: "edge-2" });
      const first = await one.store.claim("c", WISH);
      for (let i = 0; i < 4; i++) await one.store.enqueue(message(`m${i}`), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => first.queue.length, POLL).toBe(4);
      await first.queue.read(3);
      await first.queue.received(1);
      await first.incoming.begin(9, 90);
      await expect.poll(() => two.store.session("c")?.epoch, POLL).toBe(first.record.epoch);
      const second = await two.store.claim("c", WISH);
      expect(second).toMatchObject({ present: true, record: { edge: "edge-2", epoch: first.record.epoch + 1 } });
      expect(second.queue.unreleased).toEqual([1]);
      expect(second.queue.sentUpTo).toBeGreaterThanOrEqual(2);
      expect(listed(await readAll(second.queue))).toEqual(["0 m0", "2 m2", "3 m3"]);
      expect(second.incoming.has(9)).toBe(true);
      await expect.poll(() => one.events.taken, POLL).toEqual([`c ${first.record.epoch}`]);
      expect(two.events.taken).toEqual([]);
      await expect(first.queue.received(2)).rejects.toThrow(TakenOverError);
      await expect(one.store.save(first.record)).rejects.toThrow(TakenOverError);
    });

    test("of many claims at both edges at once, the newest holds the session", async () => {
      const edges = [await harness().open({ edge: "edge-1" }), await harness().open({ edge: "edge-2" })];
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) => edges[i % 2]?.store.claim("c", { ...WISH, user: `u${i}` })),
      );
      for (const each of results) if (each.status === "rejected") expect(each.reason).toBeInstanceOf(TakenOverError);
      const claims = results.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      const epochs = claims.map((claim) => claim?.record.epoch ?? 0);
      expect(new Set(epochs).size).toBe(epochs.length);
      const newest = claims[epochs.indexOf(8)];
      for (const { store } of edges) {
        await expect.poll(() => store.session("c"), POLL).toMatchObject({ epoch: 8, user: newest?.record.user });
      }
      await edges[0]?.store.enqueue(message("m", { qos: 2 }), [copyFor("c", { qos: 2 })]);
      await expect.poll(() => newest?.queue.length, POLL).toBe(1);
      await newest?.queue.read(1);
      await newest?.queue.received(0);
      const expected = epochs.filter((epoch) => epoch !== 8).map((epoch) => `c ${epoch}`);
      await expect.poll(() => edges.flatMap(({ events }) => events.taken).sort(), POLL).toEqual(expected.sort());
    });
  });
}
