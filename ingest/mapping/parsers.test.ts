import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { NotJson, parseLenientJson } from "../formats/lenient-json.ts";
import { parseEach } from "./each.ts";
import { type NumberWords, numberOf, PLAIN_NUMBERS } from "./number-words.ts";
import { compileTemplate, MissingName, templateProblem } from "./template.ts";
import { parseTimePattern } from "./time-pattern.ts";

const COMMA: NumberWords = { decimal: ",", thousands: ".", units: true };
const SPACED: NumberWords = { decimal: ".", thousands: " ", units: true };

test.each<[string, NumberWords, number | undefined]>([
  ["21", PLAIN_NUMBERS, 21],
  ["-0.5", PLAIN_NUMBERS, -0.5],
  ["+3.", PLAIN_NUMBERS, 3],
  [".25", PLAIN_NUMBERS, 0.25],
  ["1.5e-3", PLAIN_NUMBERS, 0.0015],
  ["9007199254740991", PLAIN_NUMBERS, 9_007_199_254_740_991],
  ["9007199254740993", PLAIN_NUMBERS, undefined],
  ["12E4", PLAIN_NUMBERS, undefined],
  ["007", PLAIN_NUMBERS, undefined],
  ["0H", PLAIN_NUMBERS, undefined],
  ["21,5", PLAIN_NUMBERS, undefined],
  ["236 V", PLAIN_NUMBERS, undefined],
  ["", PLAIN_NUMBERS, undefined],
  ["-", PLAIN_NUMBERS, undefined],
  ["21,5", COMMA, 21.5],
  ["1.204,5 kWh", COMMA, 1204.5],
  ["12.34", COMMA, undefined],
  ["1.234", COMMA, 1234],
  ["45%", COMMA, 45],
  ["1 234.5 m³/h", SPACED, 1234.5],
  ["-67 dBm", SPACED, -67],
  ["21.5°C", SPACED, 21.5],
  ["5E10", SPACED, undefined],
  ["2025-01-01", SPACED, undefined],
  ["12:30", SPACED, undefined],
  ["10 Downing Street", SPACED, undefined],
])("the number in %j by %j", (text, words, expected) => {
  expect(numberOf(text, words)).toBe(expected);
});

test.each([
  ["{'a': True, 'b': None,}", { a: true, b: null }],
  ["{a: 1, b-c: .5}", { a: 1, "b-c": 0.5 }],
  ['{"a": nan, "b": -Infinity, "c": +1}', { a: null, b: null, c: 1 }],
  ['{"a":,"b":2}', { a: null, b: 2 }],
  ['{"a": "x\ny\\u00e9\\/"}', { a: "x\nyé/" }],
  ["[1,2,]", [1, 2]],
  ['{"a":1}\n{"a":2}', [{ a: 1 }, { a: 2 }]],
  ["{}", {}],
])("lenient JSON: %s", (text, expected) => {
  expect(parseLenientJson(text)).toEqual({ value: expected, flaw: undefined });
});

test("lenient JSON keeps whole numbers exactly, and the names of JavaScript are only names", () => {
  const parsed = parseLenientJson('{"n": 9007199254740993, "__proto__": 1, "f": 1e21}');
  if (parsed instanceof NotJson) throw new Error(parsed.detail);
  expect(Object.entries(parsed.value as object)).toEqual([
    ["n", 9_007_199_254_740_993n],
    ["__proto__", 1],
    ["f", 1e21],
  ]);
  expect(Object.getPrototypeOf(parsed.value)).toBe(Object.prototype);
});

test.each([
  ["", 0],
  ["{", 1],
  ['{"a" 1}', 5],
  ['{"a": 1 "b": 2}', 8],
  ['{"a": "x', 8],
  ["[1, 2", 5],
  ["{} x", 3],
  ["[".repeat(200), 129],
])("no JSON: %j, at %d", (text, at) => {
  expect(parseLenientJson(text)).toMatchObject({ at });
});

test("a value that is none costs itself", () => {
  expect(parseLenientJson('{"a": oops, "b": 2}')).toMatchObject({ value: { a: null, b: 2 }, flaw: { at: 6 } });
});

test.each([
  ["DD.MM.YYYY HH:mm:ss", "07.02.2025 23:40:15", "2025-02-07T23:40:15.000Z"],
  ["MM/DD/YYYY hh:mm A", "07/03/2025 12:05 AM", "2025-07-03T00:05:00.000Z"],
  ["MM/DD/YYYY hh:mm A", "07/03/2025 12:05 p.m.", "2025-07-03T12:05:00.000Z"],
  ["YYYYMMDD[T]HHmmss.SSSZ", "20250703T120501.25+02:00", "2025-07-03T10:05:01.250Z"],
  ["D MMM YY H:mm", "3 Jul 25 7:05", "2025-07-03T07:05:00.000Z"],
  ["rfc2822", "Tue, 18 Nov 2025 16:42:10 +0100", "2025-11-18T15:42:10.000Z"],
  ["DD.MM.YYYY", "31.02.2025", undefined],
  ["DD.MM.YYYY HH:mm", "01.02.2025 24:00", undefined],
  ["DD.MM.YYYY", "01.02.2025 x", undefined],
])("the pattern %s reads %j", (pattern, text, expected) => {
  const parsed = parseTimePattern(pattern);
  if (typeof parsed === "string") throw new Error(parsed);
  const written = parsed(text);
  const ms = written && (written.us - (written.offsetUs ?? 0)) / 1_000;
  expect(ms === undefined ? undefined : new Date(ms).toISOString()).toBe(expected);
});

test.each([
  ["HH:mm", "is no date"],
  ["DD.MM.YYYY hh:mm", "without A"],
  ["DD.MM.YYYY q", 'has "q"'],
])("the pattern %s is refused", (pattern, words) => {
  expect(parseTimePattern(pattern)).toContain(words);
});

test("templates take captures, keys and fields, the inner one first", () => {
  const scope = {
    captured: { site: "north" },
    keys: { list: "L1" },
    chain: [
      { sn: 7, id: "outer", "a.b": "dotted" },
      { id: "inner", deep: { x: 1.5 } },
    ],
    position: undefined,
  };
  const render = (text: string) => compileTemplate(text, { captured: ["site"], keys: ["list"] }).render(scope);
  expect(render("{site}/{list}-{id}-{sn}-{$.id}-{deep.x}-{a.b}")).toBe("north/L1-inner-7-outer-1.5-dotted");
  expect(render("{none|id}")).toBe("inner");
  expect(render("x{none|}")).toBe("x");
  expect(render("{none}")).toEqual(new MissingName("none"));
  expect(render("{constructor}")).toEqual(new MissingName("constructor"));
  expect(render("{deep}")).toEqual(new MissingName("deep"));
  for (const text of ["{a", "a}", "{}", "{a{b}}"]) expect(templateProblem(text)).toBeDefined();
});

test.each(["", "a..b", "a.{B}", "a.[0]", "{x}.{x}"])("each: %j is refused", (text) => {
  expect(typeof parseEach(text)).toBe("string");
});

test.each(WORST_TEXTS)("%s are read in linear time", (_name, worst) => {
  const pattern = parseTimePattern("DD.MM.YYYY HH:mm:ss.SSS A Z");
  for (const text of [worst, `{"a":${worst}`, `{"a":"${worst}`, `{${worst}:1}`, `[${worst}`, `'${worst}'`]) {
    expect(msOf(() => parseLenientJson(text))).toBeLessThan(WORST_MS_MAX);
    expect(msOf(() => typeof pattern === "function" && pattern(text))).toBeLessThan(WORST_MS_MAX);
    for (const words of [PLAIN_NUMBERS, COMMA, SPACED]) {
      expect(msOf(() => numberOf(text, words))).toBeLessThan(WORST_MS_MAX);
      expect(msOf(() => numberOf(text.slice(0, 64), words))).toBeLessThan(WORST_MS_MAX);
    }
  }
});
