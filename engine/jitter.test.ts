import { expect, test } from "vitest";
import { reading, rule, TestPartition } from "./testing/step-kit.ts";

const SECOND_US = 1e6;
const HOUR_US = 3_600 * SECOND_US;

test("a reading that is three hours late under a lateness of six counts, although the sensor has jitter", () => {
  const partition = new TestPartition();
  const spec = rule({ id: "r", window: { tumbling: "1h" }, aggregate: "count", lateness: "6h" });
  partition.apply({ kind: "rules", storedAtUs: SECOND_US, specs: [spec] });
  const count = (7 * HOUR_US) / SECOND_US;
  for (let from = 0; from < count; from += 600) {
    const readings = Array.from({ length: 600 }, (_, i) => {
      const second = from + i;
      return reading("d", second * SECOND_US + ((second * 7_919) % 90_000), 1);
    });
    partition.apply({ kind: "readings", storedAtUs: (from + 600) * SECOND_US, readings });
  }
  const late = reading("d", 4 * HOUR_US + SECOND_US / 2, 1);
  partition.apply({ kind: "readings", storedAtUs: 7 * HOUR_US, readings: [late, late] });
  expect(partition.step.ledger).toMatchObject({ onTime: count + 1, duplicates: 1, lateDropped: 0 });
  const { windows } = partition.apply({ kind: "tick", storedAtUs: 15 * HOUR_US });
  expect(windows.find(({ startUs }) => startUs === 4 * HOUR_US)?.aggregates).toEqual({ count: 3_601 });
});
