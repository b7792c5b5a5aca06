import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { parseValues } from "./series-values.ts";

test.each(WORST_TEXTS)("parsing %s takes linear time", (_name, worst) => {
  for (const text of [worst, `1+${worst}`, `1+${worst}x3`, `"${worst}`, `${worst}x`]) {
    expect(msOf(() => parseValues(text))).toBeLessThan(WORST_MS_MAX);
  }
});

test.each([
  ["5x3", [5, 5, 5]],
  ["9+0.5x3 -1e1", [9, 9.5, 10, -10]],
  [".5-5.x2", [0.5, -4.5]],
  ["1E2+1x2 true _", [100, 101, true, undefined]],
])("values %j", (text, expected) => {
  expect(parseValues(text)).toEqual(expected);
});
