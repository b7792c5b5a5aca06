import { expect, test } from "vitest";
import { reading, rule, TestPartition } from "./step-kit.ts";

const SECOND = 1e6;

test("a state that is restored still knows in which time nobody watched", () => {
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
