import { describe, expect, test } from "vitest";
import type { WindowResult } from "../../domain/window-result.ts";
import { reading, rule, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;
const WINDOWS = {
  tumbling: { tumbling: "1h" },
  hopping: { hopping: "1h", every: "1m" },
  sliding: { sliding: "1h" },
  session: { session: "1m" },
};

/** The window with all values, one a second. */
function whole(
  values: readonly number[],
  window: object,
  aggregate: readonly string[],
): WindowResult["aggregates"] | undefined {
  const partition = new TestPartition();
  const readings = values.map((value, i) => reading("a", i * SECOND, value));
  const { windows } = partition.applyAll([
    { kind: "rules", storedAtUs: 1, specs: [rule({ id: "r", window, aggregate: ["count", ...aggregate] })] },
    { kind: "readings", storedAtUs: 2, readings: [...readings, reading("a", 7200 * SECOND, 0)] },
  ]);
  return windows.find(({ aggregates }) => aggregates.count === values.length)?.aggregates;
}

/** Repeats the same values in each run. */
function noise(i: number): number {
  return ((Math.imul(i + 1, 2_654_435_761) >>> 0) / 2 ** 32) * 2 - 1;
}

const many = (count: number, of: (i: number) => number) => Array.from({ length: count }, (_, i) => of(i));

describe.each(Object.entries(WINDOWS))("%s windows", (_kind, window) => {
  test.each([1013.25, 0.1, -40, 1e-300, 1.7e308, 5e-324])("a constant %d has exact figures", (value) => {
    const figures = whole(
      many(300, () => value),
      window,
      ["avg", "min", "max", "median", "p1", "p99.9", "stddev"],
    );
    const all = { avg: value, min: value, max: value, median: value, p1: value, "p99.9": value };
    expect(figures).toEqual({ count: 300, ...all, stddev: 0 });
  });

  test.each([
    ["50 Hz +- 0.1", (i: number) => 50 + 0.1 * noise(i)],
    ["tiny", (i: number) => 1e-13 * (2 + noise(i))],
    ["huge", (i: number) => 1.7e308 * noise(i)],
    ["around zero", (i: number) => noise(i)],
    ["a level far from zero", (i: number) => 1e9 + noise(i)],
  ])("quantiles of %s are within 1 %% of the range", (_what, of) => {
    const values = many(500, of);
    const sorted = values.toSorted((a, b) => a - b);
    const [least = 0, greatest = 0] = [sorted[0], sorted.at(-1)];
    const figures = whole(values, window, ["p1", "p10", "median", "p90", "p99"]) ?? {};
    for (const [name, rank] of [
      ["p1", 1],
      ["p10", 10],
      ["median", 50],
      ["p90", 90],
      ["p99", 99],
    ] as const) {
      const expected = sorted[Math.round((rank / 100) * 499)] ?? Number.NaN;
      const error = Math.abs(Number(figures[name]) / 2 - expected / 2) / (greatest / 2 - least / 2);
      // One place of 500 beside it.
      expect([name, error < 0.015]).toEqual([name, true]);
    }
  });

  test("quantiles of a wide range are within 1 % of the value", () => {
    const values = many(301, (i) => 10 ** (i / 50));
    const figures = whole(values, window, ["p10", "median", "p90"]) ?? {};
    for (const [name, place] of [
      ["p10", 30],
      ["median", 150],
      ["p90", 270],
    ] as const)
      expect(Math.abs(Number(figures[name]) / 10 ** (place / 50) - 1)).toBeLessThan(0.0101);
  });

  test("sums and means that are infinite in between", () => {
    const values = [1.5e308, 1.5e308, 3, -1.5e308, -1.5e308, 1e300];
    expect(whole(values, window, ["sum", "avg"])).toEqual({ count: 6, sum: 1e300, avg: 1e300 / 6 });
    expect(whole([1.7e308, 1.7e308, 1.7e308], window, ["sum", "avg"])).toEqual({
      ...{ count: 3, sum: Number.POSITIVE_INFINITY, avg: 1.7e308 },
    });
  });

  test.each([1e9, 1e12, 1e15])("the variance of small noise on %d", (level) => {
    const steps = many(600, (i) => Math.round(noise(i) * 8) / 8);
    const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
    const variance = steps.reduce((sum, step) => sum + (step - mean) ** 2, 0) / (steps.length - 1);
    const figures = whole(
      steps.map((step) => level + step),
      window,
      ["variance", "stddev"],
    );
    expect(Math.abs(Number(figures?.variance) / variance - 1)).toBeLessThan(1e-12);
    expect(Math.abs(Number(figures?.stddev) / Math.sqrt(variance) - 1)).toBeLessThan(1e-12);
  });
});
