import { expect, test } from "vitest";
import { parse } from "yaml";
import { readRuleFile } from "../files/read-rule-file.ts";
import { checkRules } from "../lint/check-rules.ts";
import { fillDefaults } from "./defaults.ts";
import { ruleFileSchema } from "./rule-spec.ts";

const WINDOW = { tumbling: "1m" };

test.each([
  ["fields that the rule does not set", { id: "a" }, { severity: "info" }, { severity: "info" }],
  ["no field that it sets", { id: "a", severity: "critical" }, { severity: "info" }, { severity: "critical" }],
  [
    "labels name by name",
    { id: "a", labels: { team: "yard" } },
    { labels: { team: "ops", plant: "1" } },
    { labels: { team: "yard", plant: "1" } },
  ],
  [
    "where name by name, but a list as a whole",
    { id: "a", where: { site: ["north"] } },
    { where: { metric: "t", site: ["south", "east"] } },
    { where: { metric: "t", site: ["north"] } },
  ],
  ["other lists as a whole", { id: "a", notify: ["x"] }, { notify: ["ops"] }, { notify: ["x"] }],
  ["a window as a whole", { id: "a", window: { sliding: "5m" } }, { window: WINDOW }, { window: { sliding: "5m" } }],
  [
    "no windows or conditions for an absence",
    { id: "a", absent: "5m" },
    { window: WINDOW, when: "> 8", clear: "< 7", for: "1m", lateness: "1s", aggregate: "max", severity: "info" },
    { absent: "5m", severity: "info" },
  ],
  ["no absence for a window", { id: "a", window: WINDOW }, { absent: "5m" }, { window: WINDOW }],
  ["an absence if the rule has no other subject", { id: "a" }, { absent: "5m", when: "> 8" }, { absent: "5m" }],
  ["no series for a window", { id: "a", window: WINDOW }, { let: { a: {} } }, { window: WINDOW }],
  [
    "a window for several series, but no aggregate",
    { id: "a", let: { a: {} } },
    { window: WINDOW, aggregate: "max", lateness: "5s" },
    { let: { a: {} }, window: WINDOW, lateness: "5s" },
  ],
  ["no `clear` without a condition", { id: "a", window: WINDOW }, { clear: "< 7" }, { window: WINDOW }],
  [
    "`clear` with a condition",
    { id: "a", window: WINDOW, when: "> 8" },
    { clear: "< 7" },
    { window: WINDOW, when: "> 8", clear: "< 7" },
  ],
  ["its own null instead of the default", { id: "a", labels: null }, { labels: { a: "b" } }, { labels: null }],
  ["no id", { window: WINDOW }, { id: "x" }, { window: WINDOW }],
])("takes %s", (_, rule, defaults, expected) => {
  const { id } = { id: undefined, ...rule };
  expect(fillDefaults(rule, defaults)).toEqual(id === undefined ? expected : { id, ...expected });
});

const FILE = `defaults:
  window: { tumbling: 5m }
  for: 30s
  labels: { device: all }
rules:
  - id: a
    where: { metric: t }
    when: "> 8"
  - id: b
    where: { metric: t }
    window: { tumbling: 10m }
    when: "> 9"
`;

test("the log stores merged rules, without the defaults", () => {
  const { rules, problems } = readRuleFile(FILE, "a.yaml");
  expect(problems).toEqual([]);
  expect(rules.map(({ spec }) => spec)).toMatchObject([
    { id: "a", window: { tumbling: "5m" }, for: "30s", labels: { device: "all" } },
    { id: "b", window: { tumbling: "10m" }, for: "30s", labels: { device: "all" } },
  ]);
  expect(JSON.stringify(rules.map(({ spec }) => spec))).not.toContain("defaults");
  expect(ruleFileSchema.parse(parse(FILE)).rules).toEqual(rules.map(({ spec }) => spec));
});

test("a warning about defaults is reported once; a conflict with a rule at the rule, with both places", () => {
  const read = { ...readRuleFile(FILE, "a.yaml"), file: "a.yaml" };
  const problems = checkRules({ files: [read], problems: [] }, undefined);
  expect(problems.map(({ code, place, related }) => [code, place.line, related.map((one) => one.place.line)])).toEqual([
    ["W003", 3, [2]],
    ["W016", 4, []],
    ["W003", 11, [3]],
  ]);
  expect(problems[2]?.related[0]?.message).toBe("`for` is in `defaults`");
});

test("if the defaults are invalid, rules report only their own mistakes", () => {
  const bad = FILE.replace("5m", "5 min").replace("30s", "soon").replace("> 9", "9 <<");
  const { problems } = readRuleFile(bad, "a.yaml");
  expect(problems.map(({ code, place }) => [code, place.line])).toEqual([
    ["E003", 2],
    ["E003", 3],
    ["E003", 12],
  ]);
});
