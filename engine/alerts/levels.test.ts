import { deserialize, serialize } from "node:v8";
import { describe, expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import { incidentFacts } from "../../domain/incident.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

/** One reading per second in windows of one second. The last value only closes the window before it. */
function entries(values: string, fromSecond = 0): TestEntry[] {
  return values.split(/\s+/).map((text, i) => {
    const second = fromSecond + i;
    return { kind: "readings", storedAtUs: 1000 + second, readings: [reading("a", second * SECOND, Number(text))] };
  });
}

function started(spec: RuleSpec): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  return partition;
}

function wordOf({ atUs, state, severity, severityBefore }: AlertChange): string {
  return `${atUs / SECOND}:${state} ${severity}${severityBefore === undefined ? "" : ` was ${severityBefore}`}`;
}

function play(fields: Readonly<Record<string, unknown>>, values: string): string[] {
  return started(rule({ ...levels, ...fields }))
    .applyAll(entries(values))
    .alerts.map(wordOf);
}

const levels = { id: "warm", window: { tumbling: "1s" }, levels: { warning: "> 6", critical: "> 8" } };
const hysteresis = { levels: { warning: { when: "> 6", clear: "< 5" }, critical: { when: "> 8", clear: "< 7" } } };

test.each([
  [
    "one incident rises and falls",
    {},
    "7 9 7 5 5",
    ["1:firing warning", "2:firing critical was warning", "3:firing warning was critical", "4:resolved warning"],
  ],
  ["an alert can begin with the most severe level", {}, "9 5 5", ["1:firing critical", "2:resolved critical"]],
  [
    "each level waits for its own `for`",
    { for: "2s" },
    "7 7 9 9 9 9 5 5",
    ["1:pending warning", "3:firing warning", "5:firing critical was warning", "7:resolved critical"],
  ],
  [
    "with `for`, it fires with what has held since it began",
    { for: "1s" },
    "9 9 5 5",
    ["1:pending warning", "2:firing critical", "3:resolved critical"],
  ],
  [
    "`keep_firing_for` holds each level",
    { keep_firing_for: "2s" },
    "9 7 7 7 5 5 5 5",
    ["1:firing critical", "4:firing warning was critical", "7:resolved warning"],
  ],
  [
    "each level has its own `clear`",
    hysteresis,
    "9 7.5 6.5 5.5 4 4",
    ["1:firing critical", "3:firing warning was critical", "5:resolved warning"],
  ],
  [
    "a level in force whose `clear` does not hold keeps the alert",
    { levels: { warning: "> 6", critical: { when: "> 8", clear: "< 2" } } },
    "9 5 3 1 1",
    ["1:firing critical", "4:resolved critical"],
  ],
  [
    "a more severe level implies the others",
    { levels: { warning: "between 6 and 7", critical: "> 8" } },
    "9 6.5 5 5",
    ["1:firing critical", "2:firing warning was critical", "3:resolved warning"],
  ],
  [
    "the rule's `clear` is that of the least severe level",
    { clear: "< 3" },
    "7 5 9 5 2 2",
    ["1:firing warning", "3:firing critical was warning", "4:firing warning was critical", "5:resolved warning"],
  ],
  [
    "texts",
    { aggregate: "last", levels: { warning: "== 1", critical: "== 2" } },
    "1 2 0 0",
    ["1:firing warning", "2:firing critical was warning", "3:resolved critical"],
  ],
])("%s", (_name, fields, values, expected) => {
  expect(play(fields, values)).toEqual(expected);
});

test("all changes are of one incident, and each has its own texts and condition", () => {
  const annotations = { summary: "{{ severity }}: {{ value }} ({{ condition }})" };
  const { alerts } = started(rule({ ...levels, annotations })).applyAll(entries("7 9 7 5 5"));
  expect(new Set(alerts.map(({ incident }) => incident)).size).toBe(1);
  expect(alerts.map(({ annotations: texts }) => texts.summary)).toEqual([
    "warning: 7 (> 6)",
    "critical: 9 (> 8)",
    "warning: 7 (> 6)",
    "warning: 5 (not > 6)",
  ]);
  expect(alerts.map(({ worst, title }) => [worst, title])).toEqual([
    [7, "warning: 7 (> 6)"],
    ...Array(3).fill([9, "warning: 7 (> 6)"]),
  ]);
});

test("an end names the greatest severity that the incident had", () => {
  const { alerts } = started(rule(levels)).applyAll(entries("7 9 7 5 7 5 5"));
  expect(alerts.map(({ state, severity, worstSeverity }) => [state, severity, worstSeverity])).toEqual([
    ["firing", "warning", undefined],
    ["firing", "critical", undefined],
    ["firing", "warning", "critical"],
    ["resolved", "warning", "critical"],
    ["firing", "warning", undefined],
    ["resolved", "warning", undefined],
  ]);
  expect(incidentFacts(alerts.slice(0, 3))?.severity).toBe("warning");
  expect(incidentFacts(alerts.slice(0, 4))?.severity).toBe("critical");
});

test("levels of several series", () => {
  const lets = { flow: { metric: "m" }, current: { metric: "n", aggregate: "max" } };
  const spec = rule({ ...levels, let: lets, levels: { warning: "flow < 5", critical: "flow < 5 && current > 12" } });
  const both = (second: number, flow: number, current: number): TestEntry => ({
    kind: "readings",
    storedAtUs: 1000 + second,
    readings: [reading("a", second * SECOND, flow), reading("a", second * SECOND, current, "n")],
  });
  const { alerts } = started(spec).applyAll([both(0, 4, 1), both(1, 4, 13), both(2, 6, 13), both(3, 6, 0)]);
  expect(alerts.map(wordOf)).toEqual(["1:firing warning", "2:firing critical was warning", "3:resolved critical"]);
});

describe("an edit", () => {
  const plain = { id: "warm", window: { tumbling: "1s" } };
  const edit = (
    from: Readonly<Record<string, unknown>>,
    to: Readonly<Record<string, unknown>>,
    values: [string, string],
  ) => {
    const partition = started(rule({ ...plain, ...from }));
    const [before, after] = values;
    const first = entries(before);
    const changes = partition.applyAll(first).alerts;
    changes.push(...partition.apply({ kind: "rules", storedAtUs: 2000, specs: [rule({ ...plain, ...to })] }).alerts);
    const rest = entries(after, first.length).map((entry) => ({ ...entry, storedAtUs: entry.storedAtUs + 2000 }));
    changes.push(...partition.applyAll(rest).alerts);
    return changes.map(wordOf);
  };

  test("from `when` keeps the incident, which starts at the least severe level", () => {
    expect(edit({ when: "> 6" }, { levels: levels.levels }, ["9 9", "9 9"])).toEqual([
      "1:firing warning",
      "2:firing critical was warning",
    ]);
  });

  test("that removes the level in force changes the severity at the next window", () => {
    expect(edit({ levels: levels.levels }, { levels: { warning: "> 6" } }, ["9 9", "9 9"])).toEqual([
      "1:firing critical",
      "2:firing warning was critical",
    ]);
  });

  test("to `when` continues with the rule's severity", () => {
    expect(edit({ levels: levels.levels }, { when: "> 6", severity: "info" }, ["9 9", "5 5"])).toEqual([
      "1:firing critical",
      "3:resolved info",
    ]);
  });
});

test("a state restored at any point continues", () => {
  const spec = rule({ ...levels, ...hysteresis, for: "1s", keep_firing_for: "1s" });
  const all = entries("7 9 9 9 6 6 6 8.5 9 9 4 4 4");
  const whole = started(spec).applyAll(all).alerts.map(wordOf);
  expect(whole.length).toBeGreaterThan(4);
  for (let cut = 1; cut < all.length; cut++) {
    const first = started(spec);
    const before = first.applyAll(all.slice(0, cut)).alerts.map(wordOf);
    const next = new TestPartition(first.sequence);
    next.step.restore([...first.step.snapshot()].map((part) => deserialize(serialize(part))));
    expect([...before, ...next.applyAll(all.slice(cut)).alerts.map(wordOf)]).toEqual(whole);
  }
});
