import { describe, expect, test } from "vitest";
import { thresholdsOf } from "./condition.ts";
import { matches } from "./match.ts";
import { covers, describeRule, describeWhere, parseRules, viewsOf } from "./rules.ts";

test.each([
  ["> 8", [[8, "above"]]],
  [">=8.5", [[8.5, "above"]]],
  ["< -0.5", [[-0.5, "below"]]],
  ["<= 1e3", [[1000, "below"]]],
  [
    "outside 2 and 8",
    [
      [2, "below"],
      [8, "above"],
    ],
  ],
  [
    "between 2 and 8",
    [
      [2, "above"],
      [8, "below"],
    ],
  ],
  ["current > 12.0 && flow < 0.5", []],
  ["", []],
])("the lines of %s", (condition, lines) => {
  expect(thresholdsOf(condition).map(({ value, alertSide }) => [value, alertSide])).toEqual(lines);
});

test.each([
  ["cold-*", "cold-12", true],
  ["cold-?", "cold-12", false],
  ["PM2.5", "PM215", false],
  ["P(M*", "P(M2.5", true],
  [["a", "b*"], "bc", true],
  [[], "a", false],
])("%j matches %s: %s", (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected);
});

test("a rule with levels has their lines, and says which is which", () => {
  const levels = { warning: "> 6", critical: { when: "> 8", clear: "< 7" } };
  const [rule] = parseRules([
    { id: "a", window: { tumbling: "1m" }, aggregate: ["avg"], levels, severity: "critical" },
  ]);
  expect(rule && describeRule(rule)).toBe("avg over 1m > 6 (warning), > 8 (critical)");
  expect(rule?.thresholds.map(({ value }) => value)).toEqual([6, 8]);
  const lets = { flow: { metric: "flow" } };
  const [joined] = parseRules([
    { id: "b", window: { tumbling: "1m" }, let: lets, levels: { warning: "flow < 2", critical: "flow < 1" } },
  ]);
  expect(joined?.series[0]?.thresholds.map(({ value }) => value)).toEqual([2, 1]);
});

describe("rules", () => {
  const [daily, dust, silent, ...rest] = parseRules([
    { id: "daily", where: { site: "beijing" }, window: { tumbling: "24h" }, aggregate: ["count", "min", "max", "avg"] },
    {
      id: "dust",
      where: { metric: "PM2.5", device: ["Dongsi", "Tian*"] },
      window: { tumbling: "1h" },
      aggregate: ["avg"],
      when: "> 250",
      for: "3h",
      severity: "critical",
    },
    { id: "silent", where: { device: "*" }, absent: "5m", severity: "unheard-of" },
    "no rule",
    { severity: "info" },
    null,
  ]);

  test("are read; entries that are not rules are ignored", () => {
    expect(rest).toEqual([]);
    expect(dust?.severity).toBe("critical");
    expect(silent?.severity).toBe("warning");
    expect(dust?.window).toEqual({ kind: "tumbling", text: "1h", lengthUs: 3_600_000_000 });
    expect(parseRules({ rules: [{ id: "a" }] })).toHaveLength(1);
    expect(parseRules("oops")).toEqual([]);
  });

  test("are described in words", () => {
    expect(dust && describeRule(dust)).toBe("avg over 1h > 250 for 3h");
    expect(daily && describeRule(daily)).toBeUndefined();
    expect(silent && describeRule(silent)).toBe("silent for 5m");
  });

  test("cover the metrics of the devices that they name", () => {
    const tags = { site: "beijing" };
    expect(dust && covers(dust, "Tiantan", tags, "PM2.5")).toBe(true);
    expect(dust && covers(dust, "Tiantan", tags, "PM10")).toBe(false);
    expect(dust && covers(dust, "Wanliu", tags, "PM2.5")).toBe(false);
    expect(daily && covers(daily, "Wanliu", tags, "anything")).toBe(true);
    expect(daily && covers(daily, "Wanliu", {}, "anything")).toBe(false);
    expect(silent && covers(silent, "Wanliu", tags, "PM2.5")).toBe(false);
  });
});

test("each series of a condition over several is a rule with its own thresholds", () => {
  const rules = parseRules([
    {
      id: "blocked",
      where: { device: "pump-*" },
      window: { tumbling: "30s" },
      group_by: ["device"],
      let: { flow: { metric: "flow" }, current: { metric: "amps", window: { tumbling: "1m" } } },
      when: "current > 12 && flow < 0.5 && flow + current > 3",
    },
  ]);
  const views = (metric: string) => viewsOf(rules, { device: "pump-1", tags: {}, metric });
  expect(views("pressure")).toEqual([]);
  expect(views("flow")).toMatchObject([
    { id: "blocked", aggregates: ["flow"], thresholds: [{ value: 0.5, alertSide: "below" }], window: { text: "30s" } },
  ]);
  expect(views("amps")).toMatchObject([
    { aggregates: ["current"], thresholds: [{ value: 12, alertSide: "above" }], window: { text: "1m" } },
  ]);
  const [rule] = rules;
  expect(rule && describeRule(rule)).toBe("current > 12 && flow < 0.5 && flow + current > 3");
  expect(rule && describeWhere(rule)).toBe("device pump-*, metric flow; device pump-*, metric amps");
});
