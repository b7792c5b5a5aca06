import fc from "fast-check";
import { expect, test } from "vitest";
import { DUPLICATE, NEW, SeenTimes, TOO_OLD } from "./seen-times.ts";

const FOR_EVER = Number.POSITIVE_INFINITY;

test("distinguishes new times from seen ones like a set, in any order", () => {
  const times = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 200 });
  fc.assert(
    fc.property(times, fc.nat(200), (order, split) => {
      let seen = new SeenTimes(4096);
      const set = new Set<number>();
      for (const [i, atUs] of order.entries()) {
        if (i === split) seen = SeenTimes.restore(seen.snapshot(), 4096);
        expect(seen.add(atUs, FOR_EVER)).toBe(set.has(atUs) ? DUPLICATE : NEW);
        set.add(atUs);
      }
    }),
  );
});

test("a regular sensor needs one run, and gaps stay gaps", () => {
  const seen = new SeenTimes(4096);
  for (let i = 0; i < 100_000; i++) if (i !== 500) seen.add(i * 1000, FOR_EVER);
  expect(seen.snapshot().length).toBeLessThan(12);
  expect(seen.add(500_000, FOR_EVER)).toBe(NEW);
  expect(seen.add(500_000, FOR_EVER)).toBe(DUPLICATE);
  expect(seen.add(501_000, FOR_EVER)).toBe(DUPLICATE);
});

test("the memory of an irregular sensor is bounded, and a forgotten time never counts as new", () => {
  const seen = new SeenTimes(16);
  let atUs = 0;
  const times = Array.from({ length: 1000 }, (_, i) => {
    atUs += 1 + ((i * i) % 17);
    return atUs;
  });
  for (const time of times) expect(seen.add(time, FOR_EVER)).toBe(NEW);
  expect(seen.snapshot().length).toBeLessThanOrEqual(1 + 16 * 3);
  for (const time of times) expect(seen.add(time, FOR_EVER)).not.toBe(NEW);
  expect(seen.add(times[0] as number, FOR_EVER)).toBe(TOO_OLD);
});

test("times before the horizon are dropped", () => {
  const seen = new SeenTimes(4096);
  for (const time of [0, 1, 10, 12, 1000, 1007, 2000, 2011]) seen.add(time, 100);
  expect(seen.snapshot().length).toBeLessThan(1 + 3 * 4);
  expect(seen.add(10, 100)).toBe(NEW);
  expect(seen.add(2000, 100)).toBe(DUPLICATE);
});

test("thousands of irregular times, in any order, stay exact", () => {
  const times = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 3_000, maxLength: 6_000 });
  const isEven = (atUs: number) => atUs % 2 === 0;
  fc.assert(
    fc.property(times, fc.boolean(), (order, isSortedFirst) => {
      // Half of them come in order, the others later, among them.
      const early = isSortedFirst ? order.filter(isEven).sort((a, b) => a - b) : [];
      let seen = new SeenTimes(2 ** 18);
      const set = new Set<number>();
      for (const [i, atUs] of [...early, ...order].entries()) {
        if (i === 2_000) seen = SeenTimes.restore(seen.snapshot(), 2 ** 18);
        const wanted = set.has(atUs) ? DUPLICATE : NEW;
        expect(seen.find(atUs)).toBe(wanted);
        expect(seen.add(atUs, FOR_EVER)).toBe(wanted);
        set.add(atUs);
      }
    }),
    { numRuns: 30 },
  );
});

test("a horizon that moves along keeps the times within it, and the memory bounded", () => {
  const seen = new SeenTimes(2 ** 18);
  const times = Array.from({ length: 50_000 }, (_, i) => i * 1000 + ((i * i) % 997));
  for (const time of times) seen.add(time, 1_000_000);
  expect(seen.snapshot().length).toBeLessThan(1 + 3 * 1_100);
  for (const time of times.slice(-900)) expect(seen.add(time, 1_000_000)).toBe(DUPLICATE);
  expect(seen.add((times.at(-500) as number) + 1, 1_000_000)).toBe(NEW);
});
