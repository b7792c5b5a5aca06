import { deserialize, serialize } from "node:v8";
import { afterEach, describe, expect, test, vi } from "vitest";
import { US_PER_SECOND } from "../domain/time.ts";
import { Calendar } from "../rule-language/calendar/calendar.ts";
import { reading, rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";
import { SlidingWindows } from "./windows/sliding-windows.ts";

const SECOND = US_PER_SECOND;
const GOOD = { id: "good", window: { tumbling: "10s" }, aggregate: "max", when: "> 8" };

afterEach(() => {
  vi.restoreAllMocks();
});

function rules(atS: number, ...specs: readonly Readonly<Record<string, unknown>>[]): TestEntry {
  return { kind: "rules", storedAtUs: atS * SECOND, specs: specs.map(rule) };
}

function value(atS: number, number: number, device = "a"): TestEntry {
  return { kind: "readings", storedAtUs: atS * SECOND, readings: [reading(device, atS * SECOND, number)] };
}

function restored(partition: TestPartition): TestPartition {
  const copy = new TestPartition(partition.sequence);
  copy.step.restore(deserialize(serialize([...partition.step.snapshot()])));
  return copy;
}

describe.each([
  ["tumbling windows of a millisecond that wait a month", { window: { tumbling: "1ms" }, lateness: "30d" }],
  ["hopping windows", { window: { hopping: "1s", every: "1ms" }, lateness: "1d" }],
  ["sessions", { window: { session: "1ms" }, lateness: "30d" }],
  [
    "ends of several series",
    {
      let: { a: { aggregate: "max" }, b: { aggregate: "max", window: { tumbling: "30d" } } },
      ...{ when: "a > b", window: { tumbling: "1s" } },
    },
  ],
])("a rule of the log with too many windows: %s", (_, fields) => {
  const bad = { id: "bad", ...fields };

  test("is skipped, alone, also in a restored state", () => {
    let partition = new TestPartition();
    partition.applyAll([rules(0, bad, GOOD), value(1, 9)]);
    partition = restored(partition);
    const { windows } = partition.applyAll([value(12, 1), value(13, 1, "b")]);
    expect(windows).toMatchObject([{ rule: "good", aggregates: { max: 9 } }]);
    expect([...partition.step.quarantined.keys()]).toEqual(["bad"]);
    expect(partition.step.quarantined.get("bad")).toMatch(/each key would keep \d+ windows; at most 50000/);
  });

  test("leaves nothing behind when it is removed, and runs when it is fixed", () => {
    const partition = new TestPartition();
    partition.applyAll([rules(0, bad, GOOD), value(1, 9), rules(2, GOOD)]);
    expect(partition.step.quarantined.size).toBe(0);
    partition.apply(rules(3, bad));
    expect(partition.step.quarantined.size).toBe(1);
    const { windows } = partition.applyAll([rules(4, { ...GOOD, id: "bad" }), value(5, 3), value(21, 3)]);
    expect(windows).toMatchObject([{ rule: "bad" }]);
    expect(partition.step.quarantined.size).toBe(0);
  });
});

describe("a rule that throws", () => {
  const sliding = { id: "bad", window: { sliding: "5s" }, aggregate: "max", when: "> 8" };

  function failAt(number: number, message = "a bug"): void {
    const { add } = SlidingWindows.prototype;
    vi.spyOn(SlidingWindows.prototype, "add").mockImplementation(function (this: SlidingWindows, ...reading) {
      if (reading[2] === number) throw new Error(message);
      return add.apply(this, reading);
    });
  }

  test("in its windows is skipped, alone; its open alerts end with the reason quarantined", () => {
    failAt(13);
    const partition = new TestPartition();
    const { alerts, windows } = partition.applyAll([
      rules(0, sliding, GOOD),
      ...[value(1, 9), value(3, 13), value(4, 9), value(12, 1)],
    ]);
    expect(alerts).toMatchObject([
      { rule: "bad", state: "firing" },
      { rule: "bad", state: "resolved", reason: "quarantined", evidence: { condition: "the rule failed" } },
      { rule: "good", state: "firing" },
    ]);
    expect(windows.map((window) => window.rule)).toEqual(["bad", "good"]);
    expect(partition.step.quarantined).toEqual(new Map([["bad", "a bug"]]));
  });

  test("stays skipped in a restored state and after edits of other rules, until it is edited", () => {
    failAt(13);
    let partition = new TestPartition();
    partition.applyAll([rules(0, sliding, GOOD), value(1, 13)]);
    partition = restored(partition);
    partition.applyAll([rules(2, sliding, { ...GOOD, severity: "critical" }), value(3, 9)]);
    expect([...partition.step.quarantined.keys()]).toEqual(["bad"]);
    const { windows } = partition.applyAll([rules(4, { ...sliding, severity: "info" }, GOOD), value(5, 9)]);
    expect(partition.step.quarantined.size).toBe(0);
    expect(windows).toMatchObject([{ rule: "bad" }]);
  });

  test("in its conditions is skipped, and its open alerts stay open until it is edited", () => {
    const active = {
      id: "bad",
      window: { tumbling: "10s" },
      aggregate: "max",
      when: "> 8",
      active: { days: ["mon-sun"] },
    };
    const partition = new TestPartition();
    partition.applyAll([rules(0, active, GOOD), value(1, 9), value(12, 9)]);
    const failing = vi.spyOn(Calendar.prototype, "isActive").mockImplementation(() => {
      throw new Error("a bug");
    });
    const { alerts } = partition.applyAll([value(23, 1), value(34, 1)]);
    expect(alerts).toMatchObject([{ rule: "good", state: "resolved" }]);
    expect(partition.step.quarantined).toEqual(new Map([["bad", "a bug"]]));
    failing.mockRestore();
    const after = partition.applyAll([rules(35, { ...active, severity: "info" }, GOOD), value(46, 1), value(57, 1)]);
    expect(after.alerts).toMatchObject([{ rule: "bad", state: "resolved" }]);
  });

  test("because the machine has no memory is not at fault: the task starts again", () => {
    failAt(13, "Array buffer allocation failed");
    const partition = new TestPartition();
    partition.apply(rules(0, sliding, GOOD));
    expect(() => partition.apply(value(1, 13))).toThrow("allocation failed");
  });
});
