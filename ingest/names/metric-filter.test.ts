import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX } from "../../test/worst-texts.ts";
import { ingestConfigSchema } from "../common/config.ts";
import { compileMetricFilter, metricPatternProblem } from "./metric-filter.ts";

test.each([
  ["temp*", ["temp", "temperature", "temp.oil", "temp/oil"], ["at", "Temp"]],
  ["t?", ["t1", "ta"], ["t", "t12"]],
  ["{temp,hum}_{in,out}", ["temp_in", "hum_out"], ["temp", "temp_", "temp_in2"]],
  ["*.{raw,}", ["a.raw", "a."], ["a", "a.raws"]],
  ["!debug*", ["temp", ""], ["debug", "debug.x"]],
  [["a", "b*"], ["a", "b1"], ["c"]],
  ["*", ["", "anything"], []],
])("%j", (pattern, fitting, others) => {
  const wants = compileMetricFilter(pattern);
  // The second pass reads cached answers.
  for (const _ of [1, 2]) {
    expect(fitting.filter((metric) => !wants(metric))).toEqual([]);
    expect(others.filter(wants)).toEqual([]);
  }
});

test("patterns with many stars match many long names fast", () => {
  const wants = compileMetricFilter(["*a*a*a*a*a*a*b", "*{aa,aaa}*{aa,aaa}*{aa,aaa}*b"]);
  const names = Array.from({ length: 5_000 }, (_, i) => `${"a".repeat(250)}${i}`);
  expect(msOf(() => names.filter(wants))).toBeLessThan(5 * WORST_MS_MAX);
  expect(msOf(() => wants("a".repeat(250_000)))).toBeLessThan(WORST_MS_MAX);
});

test.each([
  ["temp[0-9]", /has "\["/],
  ["+(a|b)", /has "\("/],
  ["a\\*", /has "\\"/],
  ["{1..3}", /has "\{1\.\.3\}"/],
  ["{a,b", /without its partner/],
  ["{a,{b,c}}", /without its partner, or braces inside braces/],
  ["{a,b}".repeat(20), /more than 1000 patterns/],
])("the configuration refuses a pattern in another syntax: %j", (pattern, words) => {
  expect(metricPatternProblem(pattern)).toMatch(words);
  const source = (metrics: unknown) => ({ sources: [{ topic: "a/{device}", metrics }] });
  expect(ingestConfigSchema.safeParse(source(pattern)).success).toBe(false);
  expect(ingestConfigSchema.safeParse(source(["t", pattern])).success).toBe(false);
  expect(ingestConfigSchema.safeParse(source(["t", "{a,b}*"])).success).toBe(true);
});
