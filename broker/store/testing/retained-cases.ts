import { describe, expect, test } from "vitest";
import { again, message, RICH, type StoreHarness, textOf } from "./store-kit.ts";

/** Retained messages. */
// Long: a list of cases.
export function describeRetained(harness: () => StoreHarness): void {
  describe("retained messages", () => {
    test.each(["stop", "crash"] as const)("survive a %s: the newest of each topic", async (how) => {
      const { store } = await harness().open();
      await store.retain(RICH.topic, RICH);
      await store.retain("a/b", message("first", { topic: "a/b", retain: true }));
      await store.retain("a/b", message("second", { topic: "a/b", retain: true }));
      await store.retain("gone", message("x", { topic: "gone", retain: true }));
      await store.retain("gone", null);
      await store.retain("never", null);
      const { store: second } = await again(harness(), store, how);
      for (const each of [second.retained()]) {
        expect(each.size).toBe(2);
        expect(each.get(RICH.topic)).toEqual(RICH);
        expect(each.get("gone")).toBeUndefined();
        expect([...each.matching(["a/#", "+/b"])].map(textOf)).toEqual(["second"]);
      }
    });

    test("beyond a bound are not retained, and the topic's earlier one goes", async () => {
      const { store, events } = await harness().open({ limits: { retainedMax: 2, retainedBytesMax: 2_000 } });
      const retain = (topic: string, bytes: number) =>
        store.retain(topic, message("", { topic, payload: new Uint8Array(bytes), retain: true }));
      await retain("a", 10);
      await retain("b", 10);
      await retain("c", 10);
      await retain("b", 1_900);
      expect(events.retainedDropped).toEqual(["c", "b"]);
      expect(store.retained().size).toBe(1);
      const { store: second } = await again(harness(), store, "crash");
      expect([...second.retained().matching(["#"])].map(({ topic }) => topic)).toEqual(["a"]);
    });

    test("expire", async () => {
      const { store } = await harness().open();
      await store.retain("a", message("a", { topic: "a", retain: true, expiresAtUs: 10 }));
      await store.retain("b", message("b", { topic: "b", retain: true }));
      await store.expire(9);
      expect(store.retained().size).toBe(2);
      await store.expire(10);
      expect(store.retained().get("a")).toBeUndefined();
      const { store: second } = await again(harness(), store, "crash");
      expect([...second.retained().matching(["#"])].map(({ topic }) => topic)).toEqual(["b"]);
    });
  });
}
