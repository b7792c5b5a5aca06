import { describe, expect, test } from "vitest";
import type { Reading } from "../domain/reading.ts";
import { rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const SECOND_US = 1e6;
const BEGIN_US = Date.UTC(2026, 2, 1) * 1000;
const HONEST = ["a", "b", "c", "d", "e"];
const AHEAD_S = 55;

const spec = rule({
  id: "hot-hall",
  where: { metric: "temperature" },
  group_by: ["site"],
  window: { tumbling: "1m" },
  aggregate: ["max", "count"],
  when: "> 8",
});

/** Five devices that report each ten seconds, and one whose clock is ahead. Device `a` is hot in the third minute. */
function entries(storedAt: (second: number) => number, isForwarded: boolean): TestEntry[] {
  const all: TestEntry[] = [{ kind: "rules", storedAtUs: BEGIN_US, specs: [spec] }];
  for (let second = 0; second < 300; second += 10) {
    const nowUs = BEGIN_US + second * SECOND_US;
    const of = (device: string, atUs: number, value: number): Reading & { aheadUs?: number } => {
      const ahead = isForwarded && atUs > nowUs ? { aheadUs: atUs - nowUs } : {};
      return { device, metric: "temperature", tags: { site: "hall" }, atUs, value, ...ahead };
    };
    const isHot = second >= 120 && second < 180;
    const fast = of("fast", nowUs + AHEAD_S * SECOND_US, 5);
    const readings = [fast, ...HONEST.map((device) => of(device, nowUs, isHot && device === "a" ? 9 : 5))];
    all.push({ kind: "readings", storedAtUs: BEGIN_US + storedAt(second) * SECOND_US, readings });
  }
  return all;
}

describe.each([
  ["as they come", entries((second) => second, false)],
  ["forwarded to a share", entries((second) => second, true)],
  ["forwarded an hour later, all at once", entries(() => 3600, true)],
])("one device's clock is 55 s ahead, readings %s", (_how, log) => {
  test("the rule over its site still fires and ends", () => {
    const { alerts } = new TestPartition().applyAll(log);
    expect(alerts.map(({ state, atUs }) => [state, (atUs - BEGIN_US) / SECOND_US])).toEqual([
      ["firing", 180],
      ["resolved", 240],
    ]);
  });

  test("no reading of the others is late", () => {
    const partition = new TestPartition();
    const { windows } = partition.applyAll(log);
    expect(partition.step.ledger).toMatchObject({ lateApplied: 0, lateDropped: 0 });
    expect(windows.map(({ aggregates }) => aggregates.count)).toEqual([36, 36, 36, 36]);
  });
});

test("a device with a clock that is ahead keeps its own times in rules over one device", () => {
  const own = { ...spec, group_by: ["device"] as const };
  const { windows } = new TestPartition().applyAll([
    { kind: "rules", storedAtUs: BEGIN_US, specs: [rule(own)] },
    ...entries((second) => second, false).slice(1),
  ]);
  const ends = windows
    .filter(({ labels }) => labels.device === "fast")
    .map(({ endUs }) => (endUs - BEGIN_US) / SECOND_US);
  expect(ends).toEqual([60, 120, 180, 240, 300]);
});
