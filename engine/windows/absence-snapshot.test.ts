import { expect, test } from "vitest";
import { reading, rule, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

test("an edit of the duration continues the silence without the unwatched time", () => {
  const partition = new TestPartition();
  const rules = (absent: string, second: number) =>
    ({ kind: "rules", storedAtUs: second * SECOND, specs: [rule({ id: "r", absent })] }) as const;
  const tick = (second: number) => ({ kind: "tick", storedAtUs: second * SECOND }) as const;
  // The time before the reading, and from 66 to 166, is unwatched: at the edit, 9 of the 20 seconds have passed.
  const before = partition.applyAll([
    rules("12s", 1),
    { kind: "readings", storedAtUs: 61 * SECOND, readings: [reading("a", 61 * SECOND, 1)] },
    ...[tick(66), tick(166), rules("20s", 170), tick(180)],
  ]);
  expect(before.alerts).toEqual([]);
  const { alerts } = partition.apply(tick(190));
  expect(alerts).toMatchObject([{ state: "firing", atUs: 181 * SECOND, value: 20 }]);
});

test("a restored state keeps the unwatched time", () => {
  const first = new TestPartition();
  const before = first.applyAll([
    { kind: "rules", storedAtUs: SECOND, specs: [rule({ id: "r", absent: "12s" })] },
    { kind: "readings", storedAtUs: 61 * SECOND, readings: [reading("a", 61 * SECOND, 1)] },
  ]);
  expect(before.alerts).toEqual([]);
  const second = new TestPartition(first.sequence);
  second.step.restore([...first.step.snapshot()]);
  expect(second.apply({ kind: "tick", storedAtUs: 66 * SECOND }).alerts).toEqual([]);
  const { alerts } = second.apply({ kind: "tick", storedAtUs: 75 * SECOND });
  expect(alerts).toMatchObject([{ state: "firing", atUs: 73 * SECOND }]);
});
