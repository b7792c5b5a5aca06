import { expect, test } from "vitest";
import { readRuleFile } from "../files/read-rule-file.ts";
import { ruleFileSchema, ruleSpecSchema } from "./rule-spec.ts";
import { windowCostOf } from "./window-cost.ts";

function problemsOf(fields: Readonly<Record<string, unknown>>): readonly string[] {
  const { error } = ruleFileSchema.safeParse({ rules: [{ id: "r", ...fields }] });
  return error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];
}

test.each([
  [
    { window: { tumbling: "1ms" }, lateness: "30d" },
    "rules.0.lateness: each key would keep 2,592,000,003 windows: one every 1ms, with `lateness: 30d`",
  ],
  [
    { window: { hopping: "1s", every: "1ms" }, lateness: "1d" },
    "rules.0.lateness: each key would keep 86,404,002 windows: one every 1ms, with `lateness: 1d`",
  ],
  [
    { window: { session: "1ms" }, lateness: "1h" },
    "rules.0.lateness: each key would keep 3,600,003 windows: one every 1ms, with `lateness: 1h`",
  ],
  [
    {
      let: { a: { aggregate: "max" }, b: { aggregate: "max", window: { tumbling: "30d" } } },
      when: "a > b",
      window: { tumbling: "1s" },
    },
    "rules.0.let: each key would keep 10,369,000 windows: one every 1s, with `lateness: 0s`",
  ],
])("%j keeps too many windows for each key", (fields, expected) => {
  expect(problemsOf(fields)).toEqual([expected]);
  // The log can hold such a rule, of an older version.
  expect(ruleSpecSchema.safeParse({ id: "r", ...fields }).success).toBe(true);
});

test.each([
  { window: { tumbling: "1s" }, lateness: "12h" },
  { window: { tumbling: "1m" }, lateness: "30d" },
  { window: { hopping: "10m", every: "1s" } },
  { window: { sliding: "30d" }, lateness: "30d" },
  { window: { count: 100_000 }, lateness: "30d" },
  { absent: "300d" },
])("%j does not", (fields) => {
  expect(problemsOf(fields)).toEqual([]);
});

test("windows of a month with a lateness of a month keep few", () => {
  expect(windowCostOf({ window: { tumbling: "30d" }, lateness: "30d" }).count).toBe(4);
});

test("the check of a rule file names the place", () => {
  const source = "rules:\n  - id: fast\n    window: { tumbling: 1ms }\n    lateness: 30d\n";
  const { problems } = readRuleFile(source, "fast.yaml");
  expect(problems).toMatchObject([{ code: "E004", severity: "error", place: { line: 4, column: 15 } }]);
});
