import { expect, test } from "vitest";
import type { Reading } from "../../../domain/reading.ts";
import { isActive } from "./active.ts";
import { holdsFor } from "./expression.ts";
import type { OracleEntry, OracleRule } from "./model.ts";
import { oracleOutputs } from "./oracle.ts";

const SECOND = 1e6;
const base: OracleRule = { id: "r", where: {}, group_by: ["device", "metric"], aggregate: ["count"] };

function at(second: number, value: number | string | boolean = 1, metric = "m"): Reading {
  return { device: "d", metric, tags: {}, atUs: second * SECOND, value };
}

/** Readings at these seconds, stored at the same seconds by default. `end`: when the log ends. */
function play(rule: OracleRule, steps: readonly (readonly [number, ...Reading[]])[]): string[] {
  const entries: OracleEntry[] = [{ kind: "rules", storedAtUs: 0, specs: [rule] }];
  for (const [storedAt, ...readings] of steps)
    entries.push({ kind: "readings", storedAtUs: storedAt * SECOND, readings });
  return oracleOutputs(entries).windows.map(({ startUs, endUs, revision, aggregates }) => {
    const values = Object.values(aggregates).join(" ");
    return `${startUs / SECOND}-${endUs / SECOND}#${revision}: ${values}`;
  });
}

// Each line was computed by hand from the document.
test.each([
  [
    "tumbling",
    { tumbling: "10s" },
    {},
    [
      [1, at(1), at(9)],
      [11, at(10)],
      [21, at(20)],
    ],
    ["0-10#0: 2", "10-20#0: 1"],
  ],
  ["idle", { tumbling: "10s" }, {}, [[1, at(1)], [10]], ["0-10#0: 1"]],
  ["not idle yet", { tumbling: "10s" }, {}, [[1, at(1)], [9.9]], []],
  [
    "lateness",
    { tumbling: "10s" },
    { lateness: "2s" },
    [
      [1, at(1)],
      [2, at(11)],
      [2.5, at(9)],
      [4, at(12)],
    ],
    ["0-10#0: 2"],
  ],
  ["a correction", { tumbling: "10s" }, {}, [[1, at(1)], [2, at(11)], [3, at(9)], [4]], ["0-10#0: 1", "0-10#1: 2"]],
  ["late: drop", { tumbling: "10s" }, { late: "drop" }, [[1, at(1)], [2, at(11)], [3, at(9)], [4]], ["0-10#0: 1"]],
  ["not retained", { tumbling: "10s" }, {}, [[1, at(1)], [2, at(31)], [3, at(9)], [4]], ["0-10#0: 1"]],
  [
    "still retained",
    { tumbling: "10s" },
    {},
    [[1, at(11)], [2, at(31)], [3, at(19)], [4]],
    ["10-20#0: 1", "10-20#1: 2"],
  ],
  ["emitted late for the first time", { tumbling: "10s" }, {}, [[1, at(21)], [2, at(11)], [3]], ["10-20#0: 1"]],
  [
    "hopping",
    { hopping: "10s", every: "5s" },
    {},
    [
      [1, at(6)],
      [2, at(16)],
    ],
    ["0-10#0: 1", "5-15#0: 1"],
  ],
  [
    "sliding",
    { sliding: "5s" },
    {},
    [
      [1, at(1)],
      [2, at(4)],
      [3, at(6)],
    ],
    ["-3.999999-1.000001#0: 1", "-0.999999-4.000001#0: 2", "1.000001-6.000001#0: 2"],
  ],
  [
    "session",
    { session: "5s" },
    {},
    [
      [1, at(1)],
      [2, at(5)],
      [3, at(10)],
    ],
    ["1-10#0: 2"],
  ],
  [
    "sessions joined",
    { session: "5s" },
    {},
    [[1, at(1)], [2, at(8)], [3, at(13)], [3.5, at(4)], [5]],
    ["1-6#0: 1", "8-13#0: 1", "8-8#1: ", "1-13#1: 3"],
  ],
  [
    "count",
    { count: 2 },
    {},
    [
      [1, at(1)],
      [2, at(2)],
      [3, at(3)],
      [4, at(2.5)],
    ],
    ["1-2.000001#0: 2"],
  ],
  [
    "fill",
    { tumbling: "10s" },
    { fill: "last", aggregate: ["count", "last"] },
    [[1, at(1, 7)], [29.9]],
    ["0-10#0: 1 7", "10-20#0: 0 7"],
  ],
  [
    "duration",
    { tumbling: "10s" },
    { aggregate: ["duration(on)"] },
    [
      [1, at(1, "on")],
      [2, at(12, "off")],
      [3, at(21, "off")],
    ],
    ["0-10#0: 9", "10-20#0: 2"],
  ],
] as const)("%s", (_name, window, fields, steps, expected) => {
  expect(play({ ...base, window, ...fields }, steps)).toEqual(expected);
});

test("absence counts only watched time", () => {
  const rule: OracleRule = { ...base, absent: "1m" };
  const entries: OracleEntry[] = [
    { kind: "rules", storedAtUs: 0, specs: [rule] },
    { kind: "readings", storedAtUs: 0, readings: [at(0)] },
    { kind: "tick", storedAtUs: 20 * SECOND },
    { kind: "tick", storedAtUs: 500 * SECOND },
    ...[510, 520, 530, 541].map((second): OracleEntry => ({ kind: "tick", storedAtUs: second * SECOND })),
    { kind: "readings", storedAtUs: 545 * SECOND, readings: [at(545)] },
  ];
  expect(oracleOutputs(entries).alerts.map(({ state, atUs, value }) => [state, atUs / SECOND, value])).toEqual([
    ["firing", 540, 60],
    ["resolved", 545, 65],
  ]);
});

// Also computed by hand from the document.
test("several series are emitted together once the slower one is known", () => {
  const rule: OracleRule = {
    ...base,
    group_by: ["device"],
    let: {
      fast: { metric: "m", window: { tumbling: "5s" }, aggregate: "last" },
      slow: { metric: "n", window: { tumbling: "10s" }, aggregate: "last" },
    },
    when: "fast + slow > 30",
  };
  const entries: OracleEntry[] = [{ kind: "rules", storedAtUs: 0, specs: [rule] }];
  for (const [second, ...readings] of [
    [1, at(1, 1), at(1, 10, "n")],
    [6, at(6, 2)],
    [11, at(11, 3), at(11, 30, "n")],
    [12, at(8, 20, "n")],
    [21, at(21, 4), at(21, 0, "n")],
  ] as const) {
    entries.push({ kind: "readings", storedAtUs: second * SECOND, readings });
  }
  const { windows, alerts } = oracleOutputs(entries);
  // At 5 s the slow series has no window yet, so the end is skipped. At 15 s it still contributes the window that
  // ended at 10 s.
  expect(
    windows.map(({ startUs, endUs, revision, aggregates }) => [startUs / SECOND, endUs / SECOND, revision, aggregates]),
  ).toEqual([
    [0, 10, 0, { fast: 2, slow: 10 }],
    [0, 10, 1, { fast: 2, slow: 20 }],
    [5, 15, 0, { fast: 3, slow: 20 }],
  ]);
  expect(alerts).toEqual([]);
});

test("an alert that comes and goes is a single flapping alert until it has been quiet for long enough", () => {
  const flapping = { changes: 3, within: "20s" };
  const rule: OracleRule = { ...base, window: { tumbling: "5s" }, aggregate: ["last"], when: "> 0", flapping };
  const values = [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0];
  const entries: OracleEntry[] = [{ kind: "rules", storedAtUs: 0, specs: [rule] }];
  for (const [i, value] of values.entries()) {
    entries.push({ kind: "readings", storedAtUs: (5 * i + 1) * SECOND, readings: [at(5 * i + 1, value)] });
  }
  expect(
    oracleOutputs(entries).alerts.map(({ state, atUs, flapping: flaps }) => [state, atUs / SECOND, flaps]),
  ).toEqual([
    ["firing", 5, undefined],
    ["resolved", 10, undefined],
    ["firing", 15, true],
    ["resolved", 40, true],
    ["firing", 45, undefined],
    ["resolved", 50, undefined],
  ]);
});

test.each([
  [
    "when clocks are set back",
    { hours: ["02:00-02:30"], zone: "Europe/Berlin" },
    ["2025-10-26T00:29:59Z", "2025-10-26T01:29:59Z"],
    ["2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"],
  ],
  [
    "when they are set forward",
    { hours: ["01:30-02:30"], zone: "Europe/Berlin" },
    ["2026-03-29T00:59:59Z"],
    ["2026-03-29T01:00:00Z"],
  ],
  [
    "a night belongs to the day on which it begins",
    { days: ["fri"], hours: ["22:00-06:00"] },
    ["2025-11-21T23:00:00Z", "2025-11-22T05:59:59Z"],
    ["2025-11-21T05:00:00Z", "2025-11-22T22:00:00Z"],
  ],
  [
    "excepted dates",
    { except: ["12-25", "2025-04-18"] },
    ["2026-04-18T12:00:00Z"],
    ["2025-12-25T12:00:00Z", "2025-04-18T12:00:00Z"],
  ],
] as const)("active time: %s", (_what, active, inside, outside) => {
  for (const text of inside) expect([text, isActive(active, Date.parse(text) * 1000)]).toEqual([text, true]);
  for (const text of outside) expect([text, isActive(active, Date.parse(text) * 1000)]).toEqual([text, false]);
});

test.each([
  ["a + 2 * b > 7 || a == 9", true],
  ["!(a - b - 1 < 0) && a / b >= 1.5", true],
  ["-a < -3 && abs(b - a) != 2", false],
  ['t == "open"', true],
  ["t == 3", undefined],
])("%s is %s", (text, expected) => {
  expect(holdsFor(text, { a: 4, b: 2, t: "open" })).toBe(expected);
});
