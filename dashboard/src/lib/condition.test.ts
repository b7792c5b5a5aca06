import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../../test/worst-texts.ts";
import { thresholdsOf, thresholdsWithin } from "./condition.ts";
import { matches } from "./match.ts";

test.each([
  ["> 8", [{ value: 8, alertSide: "above" }]],
  ["<= +.5", [{ value: 0.5, alertSide: "below" }]],
  ["< 5.", [{ value: 5, alertSide: "below" }]],
  [
    "OUTSIDE 2e0 and 8",
    [
      { value: 2, alertSide: "below" },
      { value: 8, alertSide: "above" },
    ],
  ],
  ["== open", []],
])("lines of %j", (condition, expected) => {
  expect(thresholdsOf(condition)).toEqual(expected);
});

test.each(WORST_TEXTS)("%s cost no more than their length", (_name, worst) => {
  for (const text of [worst, `> ${worst}`, `between ${worst} and ${worst}`]) {
    expect(msOf(() => thresholdsOf(text))).toBeLessThan(WORST_MS_MAX);
    expect(msOf(() => thresholdsWithin(`a${text}`, "a"))).toBeLessThan(WORST_MS_MAX);
  }
});

test("a pattern with several stars costs no more on a long name", () => {
  expect(msOf(() => matches(["*a*a*a*a*b", "*a*b*"], "a".repeat(250_000)))).toBeLessThan(WORST_MS_MAX);
  expect(matches("temp*", "temp/oil")).toBe(true);
  expect(matches("temp?", "temp")).toBe(false);
});
