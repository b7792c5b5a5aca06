import fc from "fast-check";
import { expect, test } from "vitest";
import { TopicOrder } from "./topic-order.ts";

test("messages of a kind run at once, and none before all of another kind that came earlier have arrived", async () => {
  const message = fc.record({ topic: fc.constantFrom("a", "b"), kind: fc.nat(2), fails: fc.boolean() });
  const property = fc.asyncProperty(
    fc.array(message, { maxLength: 30 }),
    fc.infiniteStream(fc.nat()),
    async (all, picks) => {
      const order = new TopicOrder();
      const running = new Map<number, () => void>();
      const ended = new Set<number>();
      const outcomes = all.map(({ topic, kind, fails }, i) => {
        return order.run(topic, kind, () => {
          return new Promise((resolve, reject) =>
            running.set(i, () => (fails ? reject(new Error(`${i}`)) : resolve())),
          );
        });
      });
      const settled = Promise.allSettled(outcomes);
      while (ended.size < all.length) {
        // By brute force: one that has none of another kind before it which has not ended.
        const free = all.flatMap(({ topic, kind }, i) => {
          const isFree = all.every(
            (other, k) => k >= i || other.topic !== topic || other.kind === kind || ended.has(k),
          );
          return isFree && !ended.has(i) ? [i] : [];
        });
        expect([...running.keys()].sort((a, b) => a - b)).toEqual(free);
        expect(order.has("a")).toBe(all.some(({ topic }, i) => topic === "a" && !ended.has(i)));
        const chosen = free[(picks.next().value ?? 0) % free.length] ?? -1;
        running.get(chosen)?.();
        running.delete(chosen);
        ended.add(chosen);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await settled).map(({ status }) => status === "rejected")).toEqual(all.map(({ fails }) => fails));
      expect([order.has("a"), order.has("b")]).toEqual([false, false]);
    },
  );
  await fc.assert(property, { numRuns: 100 });
});
