import { deserialize, serialize } from "node:v8";
import { describe, expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import type { SnapshotPart } from "../state/snapshot-io.ts";
import { reading, rule, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

const hot = rule({
  id: "hot",
  window: { tumbling: "1s" },
  when: "> 8",
  annotations: { summary: "{{ device }} at {{ value }}" },
});

/** One reading per second, in windows of one second. */
function play(partition: TestPartition, values: readonly ReadingValue[], fromSecond: number): AlertChange[] {
  return values.flatMap((value, i) => {
    const at = fromSecond + i;
    return partition.apply({
      kind: "readings",
      storedAtUs: 1000 + at,
      readings: [reading("a", at * SECOND, value)],
    }).alerts;
  });
}

function started(spec: RuleSpec): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  return partition;
}

function edit(partition: TestPartition, spec: RuleSpec): AlertChange[] {
  return partition.apply({ kind: "rules", storedAtUs: 1500, specs: [spec] }).alerts;
}

const worstOf = (changes: readonly AlertChange[]) => changes.map(({ state, worst }) => [state, worst]);

// The last value only closes the window before it.
describe("the worst value of an incident", () => {
  test.each<[string, Record<string, unknown>, ReadingValue[], [string, number | undefined][]]>([
    [
      "is the greatest for >",
      {},
      [9, 12, 11, 9, 5, 0],
      [
        ["firing", 9],
        ["resolved", 12],
      ],
    ],
    [
      "is the greatest for >=",
      { when: ">= 8" },
      [8, 10, 5, 0],
      [
        ["firing", 8],
        ["resolved", 10],
      ],
    ],
    [
      "is the least for <",
      { when: "< 2" },
      [1, -7, 0, 3, 0],
      [
        ["firing", 1],
        ["resolved", -7],
      ],
    ],
    [
      "is the least for <=",
      { when: "<= 2" },
      [2, 1, 3, 0],
      [
        ["firing", 2],
        ["resolved", 1],
      ],
    ],
    [
      "is the one farthest from the range",
      { when: "outside 2 and 8" },
      [9, 0, -1, 10, 5, 5],
      [
        ["firing", 9],
        ["resolved", -1],
      ],
    ],
    [
      "is the first of those equally far away",
      { when: "outside 2 and 8" },
      [10, 0, 5, 5],
      [
        ["firing", 10],
        ["resolved", 10],
      ],
    ],
    [
      "counts from the time at which it became pending",
      { for: "2s" },
      [30, 9, 9, 5, 0],
      [
        ["pending", 30],
        ["firing", 30],
        ["resolved", 30],
      ],
    ],
    [
      "does not count values before",
      {},
      [5, 9, 5, 0],
      [
        ["firing", 9],
        ["resolved", 9],
      ],
    ],
    [
      "counts values that neither hold nor clear",
      { when: "< 2", clear: "> 50" },
      [1, 40, 60, 0],
      [
        ["firing", 1],
        ["resolved", 1],
      ],
    ],
    [
      "starts over with the next incident",
      {},
      [20, 5, 9, 5, 0],
      [
        ["firing", 20],
        ["resolved", 20],
        ["firing", 9],
        ["resolved", 9],
      ],
    ],
    [
      "does not exist for ==",
      { when: "== 9" },
      [9, 5, 0],
      [
        ["firing", undefined],
        ["resolved", undefined],
      ],
    ],
    [
      "does not exist for !=",
      { when: "!= 5" },
      [9, 5, 0],
      [
        ["firing", undefined],
        ["resolved", undefined],
      ],
    ],
    [
      "does not exist for between",
      { when: "between 8 and 9" },
      [9, 5, 0],
      [
        ["firing", undefined],
        ["resolved", undefined],
      ],
    ],
    [
      "does not exist for texts",
      { when: "== open", aggregate: "last" },
      ["open", "shut", "x"],
      [
        ["firing", undefined],
        ["resolved", undefined],
      ],
    ],
  ])("%s", (_name, fields, values, expected) => {
    expect(worstOf(play(started(rule({ ...hot, ...fields })), values, 0))).toEqual(expected);
  });

  test("does not exist with let", () => {
    const lets = { a: { metric: "m", window: { tumbling: "1s" }, aggregate: "max" } };
    const spec = rule({ id: "hot", group_by: ["device"], let: lets, when: "a > 8.0" });
    const changes = play(started(spec), [9, 12, 5, 5, 0], 0);
    expect(worstOf(changes)).toEqual([
      ["firing", undefined],
      ["resolved", undefined],
    ]);
  });

  test("is the longest silence of an absence", () => {
    const partition = started(rule({ id: "silent", absent: "5s" }));
    const heard = (second: number) =>
      partition.apply({
        kind: "readings",
        storedAtUs: second * SECOND,
        readings: [reading("a", second * SECOND, 1)],
      }).alerts;
    expect(worstOf([...heard(1), ...heard(13)])).toEqual([
      ["firing", 5],
      ["resolved", 12],
    ]);
  });

  test("is kept by an edit of the threshold or the texts, also of another window", () => {
    const partition = started(hot);
    play(partition, [30, 9], 0);
    edit(partition, rule({ ...hot, when: "> 7", severity: "critical", window: { tumbling: "2s" } }));
    expect(worstOf(play(partition, [9, 9, 5, 5, 5, 5], 2))).toEqual([["resolved", 30]]);
  });

  test.each<[string, Record<string, unknown>, number | undefined]>([
    ["another aggregate", { aggregate: "max" }, 10],
    ["another direction", { when: "outside 0 and 8" }, 10],
    ["a condition without a direction", { when: "!= 5" }, undefined],
  ])("starts over with %s", (_name, fields, expected) => {
    const partition = started(hot);
    play(partition, [30, 9], 0);
    edit(partition, rule({ ...hot, ...fields }));
    expect(worstOf(play(partition, [10, 9, 5, 5, 0], 2)).at(-1)).toEqual(["resolved", expected]);
  });
});

describe("the title of an incident", () => {
  test("is the summary of the moment at which it fired, whatever ended it", () => {
    const changes = play(started(hot), [9, 12, 5, 0], 0);
    expect(changes.map(({ title, firedAtUs, annotations }) => [title, firedAtUs, annotations.summary])).toEqual([
      ["a at 9", SECOND, "a at 9"],
      ["a at 9", SECOND, "a at 5"],
    ]);
  });

  test("stays when the texts are edited while it fires", () => {
    const partition = started(hot);
    play(partition, [9, 9], 0);
    edit(partition, rule({ ...hot, annotations: { summary: "edited" } }));
    expect(play(partition, [5, 0], 2)).toMatchObject([{ title: "a at 9", annotations: { summary: "edited" } }]);
  });

  test("is the present summary while it is pending", () => {
    const changes = play(started(rule({ ...hot, for: "2s" })), [9, 10, 11, 5, 0], 0);
    expect(changes.map(({ state, title, firedAtUs }) => [state, title, firedAtUs])).toEqual([
      ["pending", "a at 9", undefined],
      ["firing", "a at 11", 3 * SECOND],
      ["resolved", "a at 11", 3 * SECOND],
    ]);
  });

  test.each([
    ["the description without a summary", { description: "too hot" }, "too hot"],
    ["the rule without any text", {}, "hot"],
    ["at most 500 characters", { summary: "🔥".repeat(600) }, "🔥".repeat(500)],
  ])("is %s", (_name, annotations, title) => {
    expect(play(started(rule({ ...hot, annotations })), [9, 9], 0)).toMatchObject([{ title }]);
  });
});

describe("a saved state", () => {
  const saved = (partition: TestPartition): (SnapshotPart | undefined)[] =>
    deserialize(serialize([...partition.step.snapshot()]));

  test("keeps the facts of open incidents", () => {
    const partition = started(hot);
    play(partition, [9, 30, 10], 0);
    const restored = new TestPartition(partition.sequence);
    restored.step.restore(saved(partition));
    const expected = play(partition, [5, 0], 3);
    expect(play(restored, [5, 0], 3)).toEqual(expected);
    expect(expected).toMatchObject([{ worst: 30, title: "a at 9", firedAtUs: SECOND }]);
  });

  test("of an older version has none: they begin with the next value, and nothing is invented", () => {
    const partition = started(hot);
    play(partition, [9, 30, 10], 0);
    const restored = new TestPartition(partition.sequence);
    // Where such a state ends: the numbers of the one open incident, and its title, were added later.
    restored.step.restore(saved(partition).map(withoutIncidents));
    const [resolved] = play(restored, [12, 5, 0], 3);
    expect(resolved).toMatchObject({ state: "resolved", worst: 12 });
    expect(resolved).not.toHaveProperty("title");
    expect(resolved).not.toHaveProperty("firedAtUs");
  });
});

/**
 * The number of incidents, and a key, a worst value, a time and a flag. Then, added later still: no free keys, and when
 * the key, the device and the series were last heard, each a list, that nothing has failed, no levels, more about the
 * alert, and the key's first reading.
 */
const ADDED_NUMBERS = 5 + 9 + 1 + 4 + 2;

function withoutIncidents(part: SnapshotPart | undefined): SnapshotPart | undefined {
  if (part?.kind === "doubles") return { kind: "doubles", doubles: part.doubles.slice(0, -ADDED_NUMBERS) };
  if (part?.kind !== "texts") return part;
  return { kind: "texts", json: JSON.stringify(JSON.parse(part.json).slice(0, -1)) };
}
