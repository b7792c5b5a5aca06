import { expect, test } from "vitest";
import { createColumns, type PixelColumns } from "./dense.ts";

const THIN = { width: 1, height: 0 };

function rectangles(columns: PixelColumns, more = THIN): readonly (readonly number[])[] {
  const found: (readonly number[])[] = [];
  columns.path(more, (...rectangle) => found.push(rectangle));
  return found;
}

test("a line covers each of its columns, and no rows twice", () => {
  const columns = createColumns(10, 5);
  columns.line(10, 0, 14, 40);
  expect(rectangles(columns)).toEqual([
    [10, 0, 1, 5],
    [11, 5, 1, 10],
    [12, 15, 1, 10],
    [13, 25, 1, 10],
    [14, 35, 1, 5],
  ]);
});

test("points of one column make one rectangle", () => {
  const columns = createColumns(0, 5);
  columns.line(2, 10, 2, 30);
  columns.line(2, 30, 2, 5);
  expect(rectangles(columns, { width: 2, height: 2 })).toEqual([[2, 5, 2, 27]]);
});

test("columns without a line stay empty, and columns outside are ignored", () => {
  const columns = createColumns(0, 3);
  columns.line(-1_000_000_000, 7, 1, 7);
  columns.cover(3, 1, 2);
  columns.cover(99, 1, 2);
  expect(rectangles(columns).map(([x]) => x)).toEqual([0, 1, 3]);
});
