import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameIndex } from "./frame-index.ts";

const rising = fc.uniqueArray(fc.nat(60), { maxLength: 30 }).map((all) => all.map((n) => n + 1).sort((a, b) => a - b));

const placeOf = (sequence: number) => ({ sequence, messages: sequence * 2, bytes: sequence * 3 });

test("an index is the sorted list of what was added and not dropped", () => {
  const property = fc.property(rising, fc.nat(61), fc.array(fc.nat(70)), fc.nat(70), (all, start, drops, after) => {
    const index = new FrameIndex();
    for (const sequence of all) if (sequence >= start) index.add(placeOf(sequence));
    for (const sequence of all) if (sequence < start) index.addOlder(sequence);
    index.completed();
    let left = all;
    for (const upTo of drops) {
      const kept = left.filter((sequence) => sequence > upTo);
      expect(index.dropUpTo(upTo)).toBe(left.length - kept.length);
      left = kept;
    }
    expect(index.size).toBe(left.length);
    const next = left.filter((sequence) => sequence > after);
    expect(index.after(after, 1_000)).toEqual(next);
    expect(index.after(after, 3)).toEqual(next.slice(0, 3));
    const [first] = next;
    // Only those that were added live say what they hold.
    expect(index.next(after)).toEqual(first === undefined || first < start ? undefined : placeOf(first));
  });
  fc.assert(property, { numRuns: 500 });
});

test("what is dropped before the older ones are known comes back with them only", () => {
  const index = new FrameIndex();
  for (const sequence of [10, 11, 12, 12, 9]) index.add(placeOf(sequence));
  index.dropUpTo(11);
  for (const sequence of [3, 7]) index.addOlder(sequence);
  expect(index.after(0, 10)).toEqual([12]);
  index.completed();
  expect(index.after(0, 10)).toEqual([3, 7, 12]);
});
