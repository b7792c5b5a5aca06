import { expect, test } from "vitest";
import { axisRange, extentOf, findGaps, niceStep } from "../charts/scale.ts";
import { medianIntervalUs, rangeById, rangeForInterval, rangeForSample } from "./ranges.ts";

const SECOND_US = 1_000_000;

test.each([
  [1, "15m"],
  [20, "1h"],
  [60, "6h"],
  [600, "24h"],
  [3_600, "7d"],
  [86_400, "30d"],
])("a reading each %d seconds is first shown over %s", (seconds, id) => {
  expect(rangeForInterval(seconds * SECOND_US).id).toBe(id);
  expect(rangeById(id)?.id).toBe(id);
});

const DAY_S = 86_400;

test.each([
  ["one reading", { readings: 1, agoS: 0 }, "15m"],
  ["two readings of the last minute", { readings: 2, agoS: 60 }, "15m"],
  ["a reading each 10 s for two minutes", { readings: 12, agoS: 120 }, "15m"],
  ["a reading each minute for 50 minutes", { readings: 51, agoS: 3_000 }, "1h"],
  ["an hourly reading since this morning", { readings: 6, agoS: 5 * 3_600 }, "6h"],
  ["an hourly reading for all of the day", { readings: 24, agoS: 23 * 3_600 }, "7d"],
  ["a reading each second for all of the day", { readings: DAY_S, agoS: DAY_S - 1 }, "15m"],
  ["a reading each second for two hours", { readings: 7_200, agoS: 7_200 }, "15m"],
  ["a reading each six hours", { readings: 4, agoS: 18 * 3_600 }, "30d"],
])("%s opens at a range that shows its readings", (_, { readings, agoS }, id) => {
  const toUs = 1_000 * DAY_S * SECOND_US;
  const sample = { fromUs: toUs - DAY_S * SECOND_US, toUs, readings, firstUs: toUs - agoS * SECOND_US };
  expect(rangeForSample(sample).id).toBe(id);
});

test("a gap does not change the usual interval", () => {
  expect(medianIntervalUs([0, 10, 20, 30, 500, 510])).toBe(10);
  expect(medianIntervalUs([5])).toBeUndefined();
});

test("an axis contains its data and nearby thresholds, and ends on round numbers", () => {
  const near = { value: 150, alertSide: "above" } as const;
  expect(axisRange({ low: 10, high: 118 }, [near])).toEqual([0, 200]);
  expect(axisRange({ low: 10, high: 20 }, [near])[1]).toBeLessThan(30);
  expect(axisRange({ low: -3, high: 3 }, [])[0]).toBeLessThan(-3);
  expect(axisRange(undefined, [near])).toEqual([0, 1]);
  const [low, high] = axisRange({ low: 7, high: 7 }, []);
  expect(low).toBeLessThan(7);
  expect(high).toBeGreaterThan(7);
});

test("steps are round", () => {
  expect([0.7, 1.2, 2.2, 3, 7, 23].map(niceStep)).toEqual([1, 2, 2.5, 5, 10, 25]);
});

test("extents ignore NaN", () => {
  const values = [Number.NaN, 3, 1, 9];
  expect(extentOf({ min: values, max: values }, 0, 3)).toEqual({ low: 1, high: 3 });
  expect(extentOf({ min: [], max: [] }, 0, 0)).toBeUndefined();
});

test("a gap is a step far longer than usual", () => {
  expect(findGaps([0, 1, 2, 20, 21], 1, 0, 4)).toEqual([[2, 3]]);
  expect(findGaps([0, 1, 2], undefined, 0, 2)).toEqual([]);
});
