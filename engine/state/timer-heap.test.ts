import fc from "fast-check";
import { expect, test } from "vitest";
import { TimerHeap } from "./timer-heap.ts";

test("returns the earliest timer, with ties by rank, like sorting", () => {
  const change = fc.record({
    timer: fc.nat(300),
    dueUs: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(Number.POSITIVE_INFINITY)),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 600 }), (changes) => {
      const heap = new TimerHeap();
      const due = new Map<number, number>();
      // Ranks are the reverse of the numbers, so that a mix-up shows.
      for (let timer = 0; timer <= 300; timer++) heap.register(timer, 1000 - timer);
      for (const { timer, dueUs } of changes) {
        heap.set(timer, dueUs);
        if (dueUs === Number.POSITIVE_INFINITY) due.delete(timer);
        else due.set(timer, dueUs);
        const [first] = [...due].sort(([a, dueA], [b, dueB]) => dueA - dueB || b - a);
        expect(heap.nextDueUs).toBe(first?.[1] ?? Number.POSITIVE_INFINITY);
        if (first) expect(heap.next).toBe(first[0]);
      }
    }),
  );
});
