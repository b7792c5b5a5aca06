import { expect, test } from "vitest";
import { createCutter, figuresOf } from "./picture.ts";
import { findGaps } from "./scale.ts";

function series(...atUs: readonly number[]) {
  const values = Float64Array.from(atUs, (us) => us / 10);
  return { at: Float64Array.from(atUs), values, min: values, max: values, counts: values.map(() => 1) };
}

test("cuts the points in view and one on either side, into reused columns", () => {
  const cut = createCutter(4);
  const first = cut(series(1_000, 2_000, 3_000, 4_000, 5_000), 2_000, 3_500);
  expect([...first.x]).toEqual([1, 2, 3, 4]);
  expect([...first.y]).toEqual([100, 200, 300, 400]);
  // The scale covers the points in view.
  expect(first.extent).toEqual({ low: 200, high: 300 });
  const second = cut(series(1_000, 2_000), 0, 9_000);
  expect([...second.x]).toEqual([1, 2]);
  expect(second.x.buffer).toBe(first.x.buffer);
  expect(cut(series(...Array.from({ length: 3_000 }, (_, i) => i)), 0, 9_000).x).toHaveLength(3_000);
});

test("points that the store summed up are not gaps next to live ones", () => {
  const summed = Array.from({ length: 300 }, (_, i) => i * 900_000);
  const live = Array.from({ length: 400 }, (_, i) => 300 * 900_000 + i * 100_000);
  const { x, usualStepUs } = createCutter(16)(series(...summed, ...live), 0, 1e12);
  expect(findGaps(x, (usualStepUs ?? 0) / 1000, 0, x.length - 1)).toEqual([]);
});

test("the figures cover the points in view", () => {
  expect(figuresOf(series(10, 20, 30, 40, 50), 20, 40)).toEqual({
    points: 5,
    extent: { low: 2, high: 4 },
    average: 3,
    last: 5,
    lastUs: 50,
    lastCount: 1,
  });
  expect(figuresOf(series(), 0, 1)).toMatchObject({
    points: 0,
    extent: undefined,
    average: undefined,
    last: undefined,
  });
});

test("the figures are those of the readings behind the points, not of their averages", () => {
  // Nine readings of 5, and one of 26 that the average of its bucket hides.
  const view = {
    at: Float64Array.of(10, 20, 30),
    values: Float64Array.of(5, 7.1, 6),
    min: Float64Array.of(4, 5, 6),
    max: Float64Array.of(6, 26, 6),
    counts: Float64Array.of(20, 10, 0),
  };
  const figures = figuresOf(view, 0, 40);
  expect(figures.extent).toEqual({ low: 4, high: 26 });
  expect(figures.average).toBeCloseTo((20 * 5 + 10 * 7.1) / 30);
  expect(figures).toMatchObject({ last: 6, lastCount: 0 });
  const { extent, low, high } = createCutter(8)(view, 0, 40);
  expect(extent).toEqual({ low: 4, high: 26 });
  expect([...low]).toEqual([4, 5, 6]);
  expect([...high]).toEqual([6, 26, 6]);
});
