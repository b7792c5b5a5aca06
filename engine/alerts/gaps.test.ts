import { deserialize, serialize } from "node:v8";
import { describe, expect, test } from "vitest";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const MINUTE = 60e6;
const T = 1.7e15 - (1.7e15 % 3.6e9);

/** Readings by the minute of their observation, stored at once. */
function minutes(...values: (readonly [minute: number, value: number])[]): TestEntry[] {
  return values.map(([minute, value]) => {
    const atUs = T + minute * MINUTE;
    return { kind: "readings", storedAtUs: atUs, readings: [reading("f", atUs, value)] };
  });
}

function play(fields: Readonly<Record<string, unknown>>, entries: readonly TestEntry[]): unknown[] {
  const { alerts } = started(fields).applyAll(entries);
  return alerts.map(({ state, atUs }) => [state, (atUs - T) / MINUTE]);
}

function started(fields: Readonly<Record<string, unknown>>): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: T, specs: [rule({ id: "r", window: { tumbling: "1m" }, ...fields })] });
  return partition;
}

describe("`for: 30m` over a gap", () => {
  const hot = { when: "> 8", for: "30m" };
  const before = Array.from({ length: 10 }, (_, minute) => [minute, 5] as const);
  const warm = [...before, [10, 9] as const];

  test("two warm minutes with five hours of silence between are not 30 minutes on end", () => {
    expect(play(hot, minutes(...warm, [311, 9], [312, 9], [313, 9]))).toEqual([["pending", 11]]);
  });

  test("counts on from the first result after the gap, in the same incident", () => {
    const after = Array.from({ length: 40 }, (_, i) => [311 + i, 9] as const);
    const { alerts } = started(hot).applyAll(minutes(...warm, ...after));
    expect(
      alerts.map(({ state, atUs, activeAtUs }) => [state, (atUs - T) / MINUTE, (activeAtUs - T) / MINUTE]),
    ).toEqual([
      ["pending", 11, 11],
      ["firing", 342, 11],
    ]);
    expect(new Set(alerts.map(({ incident }) => incident)).size).toBe(1);
  });

  test("is not interrupted by a reading that is missing", () => {
    const rest = Array.from({ length: 40 }, (_, i) => [11 + i, 9] as const).filter(([minute]) => minute !== 20);
    expect(play(hot, minutes(...warm, ...rest))).toEqual([
      ["pending", 11],
      ["firing", 41],
    ]);
  });

  test("a sensor that reports each hour has gaps of hours", () => {
    const hourly = [0, 60, 120, 180, 240].map((minute) => [minute, minute < 120 ? 5 : 9] as const);
    expect(play({ ...hot, for: "2h" }, minutes(...hourly, [300, 9]))).toEqual([
      ["pending", 121],
      ["firing", 241],
    ]);
  });

  test("max_gap says how long a gap is", () => {
    const steps = [...warm, [14, 9], [40, 9], [45, 9]] as const;
    expect(play({ ...hot, max_gap: "1h" }, minutes(...steps))).toEqual([
      ["pending", 11],
      ["firing", 41],
    ]);
    expect(play({ ...hot, max_gap: "2m" }, minutes(...steps))).toEqual([["pending", 11]]);
  });

  test("a restored state knows the interval, and since when `for` counts", () => {
    const entries = minutes(...warm, [311, 9], ...Array.from({ length: 40 }, (_, i) => [312 + i, 9] as const));
    const whole = started(hot).applyAll(entries).alerts;
    for (const cut of [5, 11, 12, 20]) {
      const first = started(hot);
      const alerts = [...first.applyAll(entries.slice(0, cut)).alerts];
      const second = new TestPartition(first.sequence);
      second.step.restore(deserialize(serialize([...first.step.snapshot()])));
      alerts.push(...second.applyAll(entries.slice(cut)).alerts);
      expect(alerts).toEqual(whole);
    }
  });
});

describe("partial: skip", () => {
  const few = { window: { tumbling: "1h" }, aggregate: "count", when: "< 54" };
  const fromHalfPast = minutes(...Array.from({ length: 100 }, (_, i) => [30 + i, 1] as const));

  test("a device that appears at half past is not short of readings", () => {
    expect(play(few, fromHalfPast)).toEqual([
      ["firing", 60],
      ["resolved", 120],
    ]);
    expect(play({ ...few, partial: "skip" }, fromHalfPast)).toEqual([]);
  });

  test("the window is still emitted", () => {
    const { windows } = started({ ...few, partial: "skip" }).applyAll(fromHalfPast);
    expect(windows.map(({ aggregates }) => aggregates.count)).toEqual([30, 60]);
  });

  test("later windows are evaluated, also after a restore", () => {
    const first = started({ ...few, partial: "skip" });
    first.applyAll(fromHalfPast.slice(0, 10));
    const second = new TestPartition(first.sequence);
    second.step.restore(deserialize(serialize([...first.step.snapshot()])));
    const { alerts } = second.applyAll([...fromHalfPast.slice(10, 50), ...minutes([125, 1])]);
    expect(alerts.map(({ state, atUs }) => [state, (atUs - T) / MINUTE])).toEqual([["firing", 120]]);
  });
});
