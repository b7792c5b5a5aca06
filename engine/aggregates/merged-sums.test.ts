import { expect, test } from "vitest";
import { reading, rule, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;
/** A plain sum loses the 1; a compensated sum keeps it in the remainder. */
const VALUES = [1e16, 1, -1e16];

test.each([
  ["hopping", { hopping: "4s", every: "2s" }],
  ["hopping in many steps", { hopping: "4s", every: "500ms" }],
  ["sliding", { sliding: "4s" }],
  ["count", { count: 3 }],
])("the remainder of a compensated sum survives merging: %s", (_name, window) => {
  const partition = new TestPartition();
  const readings = VALUES.map((value, i) => reading("a", i * 1.5 * SECOND, value));
  const { windows } = partition.applyAll([
    { kind: "rules", storedAtUs: 1, specs: [rule({ id: "r", window, aggregate: ["count", "sum", "avg"] })] },
    { kind: "readings", storedAtUs: 2, readings: [...readings, reading("a", 60 * SECOND, 0)] },
  ]);
  const whole = windows.filter(({ aggregates }) => aggregates.count === 3);
  expect(whole.length).toBeGreaterThan(0);
  for (const { aggregates } of whole) expect(aggregates).toEqual({ count: 3, sum: 1, avg: 1 / 3 });
});
