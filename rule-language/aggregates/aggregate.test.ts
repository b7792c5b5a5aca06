import { describe, expect, test } from "vitest";
import { planOf } from "../../engine/aggregates/plan.ts";
import { reading, rule, TestPartition } from "../../engine/testing/step-kit.ts";
import { isFault } from "../../platform/files/fault.ts";
import { checkedAggregate } from "../spec/checked.ts";
import { AGGREGATE_DEFINITIONS, parseAggregate, suggestAggregate } from "./aggregate.ts";
import { AGGREGATES, type AggregateDefinition } from "./aggregates.ts";

const SECOND = 1e6;

/** The aggregates of one window of a minute with readings `[second, value]`. */
function compute(aggregate: readonly string[], readings: readonly (readonly [number, number])[], fill = "none") {
  const partition = new TestPartition();
  const spec = rule({ id: "a", window: { tumbling: "1m" }, aggregate, fill });
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  const all = [...readings, [60, 0] as const].map(([second, value]) => reading("a", second * SECOND, value));
  return partition.apply({ kind: "readings", storedAtUs: 1000, readings: all }).windows[0]?.aggregates;
}

describe("changes", () => {
  test.each([
    [
      "per second, minute and hour",
      ["rate", "rate(1m)", "rate(1h)"],
      [
        [0, 2],
        [30, 5],
      ],
      [0.1, 6, 360],
    ],
    [
      "per unusual durations",
      ["rate(1m30s)", "rate(500ms)"],
      [
        [0, 0],
        [10, 10],
      ],
      [90, 0.5],
    ],
    [
      "in percent, up and down",
      ["delta_percent"],
      [
        [0, 8],
        [30, 10],
      ],
      [25],
    ],
    [
      "in percent of a negative value",
      ["delta_percent"],
      [
        [0, -8],
        [30, -10],
      ],
      [-25],
    ],
    [
      "in percent, from zero",
      ["delta_percent", "delta"],
      [
        [0, 0],
        [30, 10],
      ],
      [Number.NaN, 10],
    ],
    ["of one reading", ["rate(1m)", "delta_percent"], [[0, 8]], [Number.NaN, 0]],
    [
      "from the first to the last by time",
      ["rate(1m)", "delta_percent"],
      [
        [30, 5],
        [0, 4],
      ],
      [2, 25],
    ],
  ] as const)("%s", (_, aggregates, readings, expected) => {
    const values = compute(aggregates, readings) ?? {};
    expect(aggregates.map((name) => Number(Number(values[name]).toFixed(9)))).toEqual(expected);
  });
});

test("rates per different durations share their windows", () => {
  const plan = (...names: string[]) => planOf(names.map(checkedAggregate)).identity;
  expect(plan("rate(1m)")).toBe(plan("rate"));
  expect(plan("delta_percent")).toBe(plan("delta"));
});

test.each(["rate()", "rate(5)", "rate(1 minute)", "rate(0s)", "rate(2000d)", "rate (1m)", "rate(1m", "Rate(1m)"])(
  "%s is a fault with a suggestion",
  (name) => {
    expect(isFault(parseAggregate(name))).toBe(true);
    expect(isFault(parseAggregate(suggestAggregate(name) ?? ""))).toBe(false);
  },
);

test.each([
  ["duration(> warm)", "a condition"],
  ["integral(8)", "a unit of time"],
  ["integral(> 8)", "a unit of time"],
  ["integral(== 8, 1h)", "a limit"],
  ["transitions(open)", "two states"],
  ["transitions(a -> b -> c)", "two states"],
  ["counter_rate(5)", "a duration"],
])("%s is a fault that says what is wanted, with a right form", (name, wanted) => {
  const parsed = parseAggregate(name);
  expect(parsed).toMatchObject({ code: "bad_argument", facts: { wanted } });
  const meant = isFault(parsed) && "meant" in parsed.facts ? parsed.facts.meant : undefined;
  expect(isFault(parseAggregate(meant ?? ""))).toBe(false);
});

test.each(Object.entries(AGGREGATES))(
  "%s: its names, forms and synonyms are the aggregate itself",
  (kind, definition) => {
    const { names, forms = names, synonyms = {} }: AggregateDefinition = definition;
    for (const name of [...names, ...forms, ...Object.values(synonyms)])
      expect(parseAggregate(name)).toMatchObject({ name, kind });
  },
);

test("no synonym is the name of another aggregate, or is listed twice", () => {
  const synonyms = AGGREGATE_DEFINITIONS.flatMap((one) => Object.keys(one.synonyms ?? {}));
  expect(new Set(synonyms).size).toBe(synonyms.length);
  for (const synonym of synonyms) expect(isFault(parseAggregate(synonym))).toBe(true);
});

test.each([
  ["rate(1 minute)", "rate(1m)"],
  ["rate(5)", "rate(5s)"],
  ["rate(h)", "rate(1h)"],
  ["rate_per_hour", "rate(1h)"],
  ["rate per day", "rate(1d)"],
  ["rate/min", "rate(1m)"],
  ["percent_change", "delta_percent"],
  ["pct-change", "delta_percent"],
  ["integral", "integral(1h)"],
  ["transitions running to fault", "transitions(running -> fault)"],
  ["raet", "rate"],
])("%s means %s", (name, meant) => {
  expect(suggestAggregate(name)).toBe(meant);
});
