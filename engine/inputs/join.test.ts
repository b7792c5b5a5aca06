import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

const blocked = rule({
  id: "blocked",
  group_by: ["device"],
  window: { tumbling: "10s" },
  let: { flow: { metric: "flow" }, current: { metric: "current", aggregate: "max" } },
  when: "current > 12 && flow < 0.5",
});

function startPartition(specs: readonly RuleSpec[]): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs });
  return partition;
}

function entry(storedSecond: number, ...readings: Reading[]): TestEntry {
  return { kind: "readings", storedAtUs: storedSecond * SECOND, readings };
}

function at(second: number, metric: string, value: number, device = "pump-1"): Reading {
  return reading(device, second * SECOND, value, metric);
}

/** One line per result and change. */
function lines({
  windows,
  alerts,
}: {
  windows: readonly WindowResult[];
  alerts: readonly { atUs: number; state: string }[];
}) {
  return [
    ...windows.map(({ endUs, revision, aggregates }) => `${endUs / SECOND}/${revision} ${JSON.stringify(aggregates)}`),
    ...alerts.map(({ atUs, state }) => `${atUs / SECOND} ${state}`),
  ];
}

test("a condition over two series is evaluated when both have a window, in any order of arrival", () => {
  const partition = startPartition([blocked]);
  const said: string[] = [];
  for (const one of [
    entry(1, at(1, "flow", 3), at(2, "current", 13)),
    entry(11, at(11, "flow", 0.1)),
    entry(12, at(12, "current", 13)),
    entry(21, at(21, "current", 14)),
    entry(22, at(22, "flow", 0.2)),
    entry(31, at(31, "current", 5), at(32, "flow", 0.2)),
    entry(41, at(41, "flow", 0.2), at(42, "current", 5)),
  ])
    said.push(...lines(partition.apply(one)));
  expect(said).toEqual([
    '10/0 {"flow":3,"current":13}',
    '20/0 {"flow":0.1,"current":13}',
    "20 firing",
    '30/0 {"flow":0.2,"current":14}',
    '40/0 {"flow":0.2,"current":5}',
    "40 resolved",
  ]);
});

test("a change names each series, its window and its value", () => {
  const spec = rule({
    ...blocked,
    let: {
      flow: { metric: "flow", window: { tumbling: "5s" } },
      current: { metric: "current", aggregate: "max" },
    },
    when: "current / 2 > 6 && flow < 1",
  });
  const partition = startPartition([spec]);
  const { alerts } = partition.applyAll([
    entry(1, at(6, "flow", 0.5), at(2, "current", 13)),
    entry(2, at(13, "flow", 0.25), at(12, "current", 2)),
  ]);
  expect(alerts).toHaveLength(1);
  expect(alerts[0]?.evidence).toMatchObject({
    window: { startUs: 0, endUs: 10 * SECOND },
    aggregate: "flow",
    value: 0.5,
    condition: "current / 2 > 6 && flow < 1",
    watermarkUs: 10 * SECOND,
    parts: [
      { name: "flow", aggregate: "avg", window: { startUs: 5 * SECOND, endUs: 10 * SECOND }, value: 0.5 },
      { name: "current", aggregate: "max", window: { startUs: 0, endUs: 10 * SECOND }, value: 13 },
    ],
  });
});

test("nothing is evaluated until each series has a window; a late reading can add a window and correct it", () => {
  const partition = startPartition([blocked]);
  const said: string[] = [];
  for (const one of [
    entry(1, at(1, "flow", 0), at(1, "current", 13)),
    entry(12, at(22, "flow", 0), at(22, "current", 13)),
    entry(13, at(12, "flow", 0.1)),
    entry(15, at(13, "current", 20)),
    entry(17, at(14, "current", 30)),
    { kind: "tick", storedAtUs: 19 * SECOND } as const,
  ])
    said.push(...lines(partition.apply(one)));
  expect(said).toEqual([
    '10/0 {"flow":0,"current":13}',
    "10 firing",
    '20/0 {"flow":0.1,"current":20}',
    '20/1 {"flow":0.1,"current":30}',
  ]);
});

test("a corrected window of a slow series corrects every end that used it", () => {
  const let_ = {
    flow: { metric: "flow", window: { tumbling: "5s" } },
    current: { metric: "current", aggregate: "max", window: { tumbling: "10s" } },
  };
  const partition = startPartition([rule({ ...blocked, let: let_ })]);
  const said = partition.applyAll([
    entry(1, at(1, "current", 1), at(6, "flow", 1), at(11, "current", 2), at(11, "flow", 2)),
    entry(2, at(16, "flow", 3), at(21, "current", 4), at(21, "flow", 3)),
    entry(3, at(2, "current", 9)),
    { kind: "tick", storedAtUs: 5 * SECOND },
  ]);
  expect(lines(said)).toEqual([
    '10/0 {"flow":1,"current":1}',
    '15/0 {"flow":2,"current":1}',
    '20/0 {"flow":3,"current":2}',
    '10/1 {"flow":1,"current":9}',
    '15/1 {"flow":2,"current":9}',
  ]);
});

test("a missing series holds up the condition, and its gap is skipped when it returns", () => {
  const partition = startPartition([blocked]);
  partition.apply(entry(1, at(1, "flow", 0), at(1, "current", 1)));
  for (let second = 11; second < 5_000; second += 10) {
    expect(lines(partition.apply(entry(second, at(second, "current", 13))))).toEqual(
      second === 11 ? ['10/0 {"flow":0,"current":1}'] : [],
    );
  }
  expect(lines(partition.apply(entry(5_001, at(5_001, "flow", 0), at(5_001, "current", 13))))).toEqual([]);
  expect(lines(partition.apply(entry(5_011, at(5_011, "flow", 0), at(5_011, "current", 13))))).toEqual([
    '5010/0 {"flow":0,"current":13}',
    "5010 firing",
  ]);
});

test("texts and numbers side by side", () => {
  const spec = rule({
    id: "door-and-cold",
    group_by: ["device"],
    window: { tumbling: "10s" },
    let: { door: { metric: "door", aggregate: "last" }, cold: { metric: "temperature", aggregate: "min" } },
    when: 'door == "open" && cold > 2',
  });
  const partition = startPartition([spec]);
  const door = (second: number, value: string): Reading => ({ ...at(second, "door", 0), value });
  const { alerts } = partition.applyAll([
    entry(1, door(1, "open"), at(1, "temperature", 1)),
    entry(2, door(11, "open"), at(11, "temperature", 3)),
    entry(3, door(21, "closed"), at(21, "temperature", 3)),
    entry(4, door(31, "closed"), at(31, "temperature", 3)),
  ]);
  expect(alerts.map(({ atUs, state }) => `${atUs / SECOND} ${state}`)).toEqual(["20 firing", "30 resolved"]);
});

test("an edited threshold keeps windows and incident; an edited name keeps the incident; without `let` it ends", () => {
  const partition = startPartition([blocked]);
  partition.apply(entry(1, at(1, "flow", 0), at(1, "current", 13)));
  expect(lines(partition.apply(entry(2, at(11, "flow", 0), at(11, "current", 13))))).toContain("10 firing");
  const edits: [RuleSpec, string[]][] = [
    [rule({ ...blocked, when: "current > 10 && flow < 0.5" }), []],
    [rule({ ...blocked, let: { ...blocked.let, current: { metric: "current", aggregate: "avg" } } }), []],
    [rule({ ...blocked, group_by: ["device", "site"] }), ["10 resolved"]],
  ];
  for (const [i, [edited, expected]] of edits.entries()) {
    expect(lines(partition.apply({ kind: "rules", storedAtUs: (3 + i) * SECOND, specs: [edited] }))).toEqual(expected);
  }
});

interface Shape {
  readonly size: number;
  readonly every: number;
  readonly aggregate: "avg" | "max" | "count";
}

const shapes: readonly Shape[] = [
  { size: 10, every: 10, aggregate: "avg" },
  { size: 10, every: 5, aggregate: "max" },
  { size: 30, every: 30, aggregate: "count" },
  { size: 20, every: 10, aggregate: "avg" },
];

/** The last result for each end, from all readings in any order. */
function bruteForce(readings: readonly Reading[], names: ReadonlyMap<string, Shape>): Map<string, string> {
  const expected = new Map<string, string>();
  const newest = new Map(
    [...names.keys()].map((name) => [
      name,
      Math.max(...readings.filter(({ metric }) => metric === name).map(({ atUs }) => atUs / SECOND)),
    ]),
  );
  for (let end = 0; end <= 400; end += 5) {
    const joined: Record<string, number> = {};
    if (![...names.values()].some(({ every }) => end % every === 0)) continue;
    let isOpen = false;
    for (const [name, { size, every, aggregate }] of names) {
      const ownEnd = end - (end % every);
      if ((newest.get(name) ?? 0) < ownEnd) isOpen = true;
      const values = readings
        .filter(({ metric, atUs }) => metric === name && atUs / SECOND >= ownEnd - size && atUs / SECOND < ownEnd)
        .map(({ value }) => Number(value));
      if (values.length === 0) continue;
      const sum = values.reduce((a, b) => a + b, 0);
      joined[name] =
        aggregate === "count" ? values.length : aggregate === "max" ? Math.max(...values) : sum / values.length;
    }
    const isHeard = [...names].some(
      ([name, { size, every }]) =>
        end % every === 0 &&
        readings.some(({ metric, atUs }) => metric === name && atUs / SECOND >= end - size && atUs / SECOND < end),
    );
    if (!isOpen && isHeard && Object.keys(joined).length === names.size) expected.set(`${end}`, JSON.stringify(joined));
  }
  return expected;
}

const anyReadings = fc.array(
  fc.record({
    second: fc.integer({ min: 0, max: 299 }),
    name: fc.integer({ min: 0, max: 2 }),
    value: fc.integer({ min: -20, max: 20 }),
  }),
  { minLength: 1, maxLength: 120 },
);

test("agrees with brute force over all readings, in any order within the lateness, and split anywhere", () => {
  fc.assert(
    fc.property(
      anyReadings,
      fc.array(fc.constantFrom(...shapes), { minLength: 2, maxLength: 3 }),
      fc.nat({ max: 40 }),
      fc.nat(),
      (some, chosen, late, cut) => {
        const names = new Map(chosen.map((shape, i) => [`m${i}`, shape]));
        const spec = rule({
          id: "all",
          group_by: ["device"],
          lateness: `${late}s`,
          let: Object.fromEntries(
            [...names].map(([name, { size, every, aggregate }]) => [
              name,
              {
                metric: name,
                aggregate,
                window: size === every ? { tumbling: `${size}s` } : { hopping: `${size}s`, every: `${every}s` },
              },
            ]),
          ),
          when: `${[...names.keys()].join(" + ")} > 3`,
        });
        const distinct = new Map(
          some.map(({ second, name, value }) => [`${second} ${name}`, at(second, `m${name % names.size}`, value)]),
        );
        const unique = new Map([...distinct.values()].map((one) => [`${one.metric} ${one.atUs}`, one]));
        // No reading is delayed by more than the lateness, so none is late for the rule.
        const readings = [...unique.values()];
        const arrivals = readings
          .map((one, i) => ({ one, arrives: one.atUs / SECOND + ((i * 7919) % (late + 1)) }))
          .sort((a, b) => a.arrives - b.arrives || a.one.atUs - b.one.atUs);
        // All entries have one processing time, so no window closes by idleness.
        const entries = arrivals.map(({ one }) => entry(1, one));
        const whole = startPartition([spec]).applyAll(entries);
        const last = new Map(
          whole.windows.map(({ endUs, aggregates }) => [`${endUs / SECOND}`, JSON.stringify(aggregates)]),
        );
        const expected = bruteForce(readings, names);
        for (const [end, values] of last) expect(`${end} ${values}`).toBe(`${end} ${expected.get(end)}`);
        // Later ends are still open.
        const closed =
          Math.min(
            ...[...names.keys()].map((name) =>
              Math.max(
                Number.NEGATIVE_INFINITY,
                ...readings.filter(({ metric }) => metric === name).map(({ atUs }) => atUs / SECOND),
              ),
            ),
          ) - late;
        for (const [end] of expected) if (Number(end) <= closed) expect(last.has(end)).toBe(true);

        const at_ = cut % (entries.length + 1);
        const before = startPartition([spec]);
        const first = before.applyAll(entries.slice(0, at_));
        const after = restored(before);
        const rest = after.applyAll(entries.slice(at_));
        expect([...first.windows, ...rest.windows]).toEqual(whole.windows);
        expect([...first.alerts, ...rest.alerts]).toEqual(whole.alerts);
      },
    ),
    { numRuns: 150 },
  );
});

function restored(before: TestPartition): TestPartition {
  const parts = [...before.step.snapshot()].map((part) => deserialize(serialize(part)));
  const after = new TestPartition(before.sequence);
  after.step.restore(parts);
  return after;
}
