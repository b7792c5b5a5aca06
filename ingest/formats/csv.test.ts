import { expect, test } from "vitest";
import { parseWith } from "../testing/parse-with.ts";
import { CSV_FORMAT } from "./csv.ts";

test("columns from the first row", () => {
  expect(parseWith(CSV_FORMAT, "\ufefftemp,door\r\n21.5,open\r\n\r\n 22 ,\r\n")).toEqual({
    value: [
      { temp: "21.5", door: "open" },
      { temp: "22", door: "" },
    ],
  });
});

test("columns from the source, with semicolons, quotes and decimal commas", () => {
  const options = { separator: ";", columns: ["time", "temperature", "note"] };
  expect(parseWith(CSV_FORMAT, '2025-02-11 06:30:00;21,5;"a;""b""\n"\n', options)).toEqual({
    value: [{ time: "2025-02-11 06:30:00", temperature: "21,5", note: 'a;"b"\n' }],
  });
});

test("a row with another number of cells costs itself, and is named", () => {
  const { value, problem } = parseWith(CSV_FORMAT, "a,b\n1,2\n3\n4,5\n");
  expect(value).toEqual([
    { a: "1", b: "2" },
    { a: "4", b: "5" },
  ]);
  expect(problem).toMatchObject({
    reason: "bad-payload",
    detail: 'row 2, which begins with "3", has 1 cells; there are 2 columns',
  });
});

test.each([
  ["a quote inside a cell", 'a,b\n1"x,2\n', "not CSV"],
  ["an open quote", 'a,b\n1,"2\n', "not CSV"],
  ["two columns of one name", "a,a\n1,2\n", "two columns have one name"],
])("%s", (_name, text, detail) => {
  const { value, problem } = parseWith(CSV_FORMAT, text);
  expect(value).toBeUndefined();
  expect(problem?.detail).toContain(detail);
});

test("more rows than one message may have readings", () => {
  const { value, problem } = parseWith(CSV_FORMAT, `a\n${"1\n".repeat(11)}`);
  expect(value).toHaveLength(10);
  expect(problem).toMatchObject({ reason: "too-large" });
  expect(parseWith(CSV_FORMAT, `a\n${"1\n".repeat(10)}`).problem).toBeUndefined();
});

test("nothing has no rows", () => {
  expect(parseWith(CSV_FORMAT, "")).toEqual({ value: [] });
  expect(parseWith(CSV_FORMAT, "a,b\n")).toEqual({ value: [] });
});
