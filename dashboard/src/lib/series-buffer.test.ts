import fc from "fast-check";
import { expect, test } from "vitest";
import { SeriesBuffer } from "./series-buffer.ts";

function contents(buffer: SeriesBuffer): [number, number][] {
  const { at, values } = buffer.view();
  return [...at].map((one, index) => [one, values[index] ?? Number.NaN]);
}

test("holds what a sorted map of the newest points holds", () => {
  const point = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: -5, max: 5 }));
  fc.assert(
    fc.property(fc.array(point, { maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (points, capacity) => {
      const buffer = new SeriesBuffer(capacity);
      const model = new Map<number, number>();
      for (const [at, value] of points) {
        buffer.push(at, value);
        model.set(at, value);
        if (model.size > capacity) model.delete(Math.min(...model.keys()));
      }
      const expected = [...model].sort((a, b) => a[0] - b[0]);
      expect(contents(buffer)).toEqual(expected);
      expect(buffer.length).toBe(expected.length);
      expect(buffer.newest).toBe(expected.at(-1)?.[0] ?? -Infinity);
      expect(buffer.oldest).toBe(expected[0]?.[0] ?? Infinity);
    }),
  );
});

test("counts dropped points, and starts over when cleared", () => {
  const buffer = new SeriesBuffer(3);
  for (let at = 0; at < 10; at++) buffer.push(at, at);
  expect(buffer.dropped).toBe(7);
  buffer.clear();
  expect(contents(buffer)).toEqual([]);
  expect(buffer.dropped).toBe(0);
  buffer.push(1, 2);
  expect(contents(buffer)).toEqual([[1, 2]]);
});

test("returns whether a repeated point changed anything", () => {
  const buffer = new SeriesBuffer(3);
  expect(buffer.push(1, 5)).toBe(true);
  expect(buffer.push(1, 5)).toBe(false);
  expect(buffer.push(1, 6)).toBe(true);
});

test("a series with reserved room never takes more memory", () => {
  const buffer = new SeriesBuffer(100, { reserve: true });
  const memory = buffer.view().at.buffer;
  for (let at = 0; at < 1_000; at++) buffer.push(at, at);
  expect(buffer.view().at.buffer).toBe(memory);
  expect(memory.byteLength).toBeLessThan(100 * 8 * 1.3);
  expect(buffer.length).toBe(100);
});

test("every change is a rewrite, except a new point at the newer end", () => {
  const buffer = new SeriesBuffer(3);
  for (const at of [1, 2, 4, 5]) buffer.push(at, at);
  expect(buffer.rewrites).toBe(0);
  buffer.push(5, 5);
  expect(buffer.rewrites).toBe(0);
  buffer.push(5, 6);
  expect(buffer.rewrites).toBe(1);
  buffer.push(3, 3);
  expect(buffer.rewrites).toBe(2);
  buffer.clear();
  expect(buffer.rewrites).toBe(3);
});
