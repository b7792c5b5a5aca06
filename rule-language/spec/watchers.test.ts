import { expect, test } from "vitest";
import type { Series } from "../../domain/reading.ts";
import { ruleSpecSchema } from "./rule-spec.ts";
import { Watchers } from "./watchers.ts";

const RULES = [
  { id: "warm", where: { device: "cold-*", metric: "temperature" }, window: { tumbling: "1m" }, when: "> 8" },
  { id: "daily", where: { metric: "humidity" }, window: { tumbling: "24h" } },
  { id: "tried", where: { metric: "pressure" }, window: { tumbling: "1m" }, when: "> 8", shadow: true },
  { id: "silent", where: { site: "north" }, absent: "5m" },
  {
    id: "blocked",
    group_by: ["site"],
    window: { tumbling: "30s" },
    let: { flow: { metric: "flow" }, current: { metric: "current", where: { device: "!spare" } } },
    when: "current > 12.0 && flow < 0.5",
  },
];

const watchers = new Watchers(RULES.map((rule) => ruleSpecSchema.parse(rule)));

function seriesOf(device: string, metric: string, more: Partial<Series> = {}): Series {
  return { device, metric, tags: {}, kind: "number", ...more };
}

test.each([
  ["a condition", seriesOf("cold-1", "temperature"), "values"],
  ["a condition on numbers, and a text", seriesOf("cold-1", "temperature", { kind: "string" }), "nothing"],
  ["a condition on other devices", seriesOf("warm-1", "temperature"), "nothing"],
  ["only windows", seriesOf("cold-1", "humidity"), "nothing"],
  ["only a rule in shadow", seriesOf("cold-1", "pressure"), "nothing"],
  ["an expected device", seriesOf("door", "open", { tags: { site: "north" }, kind: "boolean" }), "silence"],
  ["both", seriesOf("cold-1", "temperature", { tags: { site: "north" } }), "values"],
  ["one of several series", seriesOf("pump", "flow"), "values"],
  ["another one, not excluded", seriesOf("pump", "current"), "values"],
  ["another one, excluded", seriesOf("spare", "current"), "nothing"],
])("%s", (_, series, watched) => {
  expect(watchers.of(series)).toBe(watched);
});

test("without rules, nothing is watched", () => {
  expect(new Watchers([]).of(seriesOf("cold-1", "temperature"))).toBe("nothing");
});
