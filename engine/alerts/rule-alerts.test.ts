import { deserialize, serialize } from "node:v8";
import { expect, test } from "vitest";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;

/** One reading per second in windows of one second; `.` is a second without a reading. Returns `second:state` texts. */
function play(spec: RuleSpec, values: string, partition = startPartition(spec), fromSecond = 0): string[] {
  const changes: string[] = [];
  for (const [i, text] of values.split(/\s+/).entries()) {
    if (text === ".") continue;
    const second = fromSecond + i;
    const { alerts } = partition.apply(readingEntry(second, Number(text)));
    changes.push(...alerts.map(({ atUs, state }) => `${atUs / SECOND}:${state}`));
  }
  return changes;
}

function readingEntry(second: number, value: number): TestEntry {
  return { kind: "readings", storedAtUs: 1000 + second, readings: [reading("a", second * SECOND, value)] };
}

function startPartition(spec: RuleSpec): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  return partition;
}

const plain = rule({ id: "hot", window: { tumbling: "1s" }, when: "> 8" });

// The last value exists only to close the previous window.
test.each([
  ["fires and resolves at once without `for`", {}, "5 9 9 5 5", ["2:firing", "4:resolved"]],
  ["`for` delays firing", { for: "2s" }, "9 9 9 5 5", ["1:pending", "3:firing", "4:resolved"]],
  ["a short excursion never fires", { for: "2s" }, "9 9 5 5 5", ["1:pending", "3:inactive"]],
  ["values between `clear` and `when` keep it firing", { clear: "< 7" }, "9 7.5 8 6 0", ["1:firing", "4:resolved"]],
  [
    "but do not count as holding while pending",
    { clear: "< 7", for: "2s" },
    "9 7.5 9 9 9 9",
    ["1:pending", "2:inactive", "3:pending", "5:firing"],
  ],
  ["`keep_firing_for` delays the end", { keep_firing_for: "2s" }, "9 5 5 5 5", ["1:firing", "4:resolved"]],
  [
    "`keep_firing_for` starts over when the condition holds again",
    { keep_firing_for: "2s" },
    "9 5 9 5 5 5 5",
    ["1:firing", "6:resolved"],
  ],
  ["a gap neither fires nor resolves", { for: "2s" }, "9 . . . 9 9 5 5", ["1:pending", "5:firing", "7:resolved"]],
  ["between", { when: "between 2 and 3" }, "1 2 3 4 4", ["2:firing", "4:resolved"]],
  ["outside", { when: "outside 2 and 3" }, "2 3 1 2 2", ["3:firing", "4:resolved"]],
  ["fires again as a new incident", {}, "9 5 9 5 5", ["1:firing", "2:resolved", "3:firing", "4:resolved"]],
])("%s", (_name, fields, values, expected) => {
  expect(play(rule({ ...plain, ...fields }), values)).toEqual(expected);
});

test("a change holds its evidence: window, value, condition, watermark and log entry", () => {
  const spec = rule({
    ...plain,
    severity: "critical",
    labels: { team: "ops" },
    annotations: { summary: "{{ device }} at {{ value }} degC, {{ nobody }}" },
    notify: ["ops"],
  });
  const partition = startPartition(spec);
  partition.apply(readingEntry(0, 9.123456));
  const { alerts } = partition.apply(readingEntry(1, 0));
  expect(alerts).toEqual([
    {
      id: "0-3-0",
      incident: expect.stringMatching(/^hot-[0-9a-f]{16}-lfls$/),
      rule: "hot",
      severity: "critical",
      from: "inactive",
      state: "firing",
      key: { device: "a", metric: "m", site: "s" },
      labels: { device: "a", metric: "m", site: "s", team: "ops" },
      annotations: { summary: "a at 9.123 degC, {{ nobody }}" },
      atUs: SECOND,
      processedAtUs: 1001,
      activeAtUs: SECOND,
      value: 9.123456,
      worst: 9.123456,
      title: "a at 9.123 degC, {{ nobody }}",
      firedAtUs: SECOND,
      notify: ["ops"],
      evidence: {
        window: { startUs: 0, endUs: SECOND },
        aggregate: "avg",
        value: 9.123456,
        condition: "> 8",
        watermarkUs: SECOND,
        input: { partition: 0, sequence: 3 },
      },
    },
  ]);
});

test("a change lists the inhibitors of its rule, and an edit of them changes nothing else", () => {
  const inhibited_by = [{ rule: "gateway-silent", equal: ["site"] }];
  const partition = startPartition(rule({ ...plain, inhibited_by: [{ rule: "gateway-silent", equal: ["site"] }] }));
  partition.apply(readingEntry(0, 9));
  expect(partition.apply(readingEntry(1, 9)).alerts).toMatchObject([{ state: "firing", inhibitedBy: inhibited_by }]);
  expect(partition.apply({ kind: "rules", storedAtUs: 3000, specs: [plain] }).alerts).toEqual([]);
  partition.apply(readingEntry(2, 0));
  const [end] = partition.apply(readingEntry(3, 0)).alerts;
  expect(end?.state).toBe("resolved");
  expect(end).not.toHaveProperty("inhibitedBy");
});

test("the texts of a change can show the rule, the times and the other aggregates", () => {
  const spec = rule({
    ...plain,
    aggregate: ["avg", "max"],
    for: "1s",
    labels: { state: "a label of this name" },
    annotations: {
      all: "{{ rule }} {{ severity | upper }} {{ condition }} {{ max | fixed 1 }} {{ at }} {{ active_at | time }} {{ for | duration }}",
      own: "{{ state }} {{ site }} {{ room | default 'nowhere' }}",
    },
  });
  const partition = startPartition(spec);
  const texts: string[] = [];
  for (const [second, value] of [9, 9, 9].entries()) {
    for (const { annotations } of partition.apply(readingEntry(second, value)).alerts)
      texts.push(annotations.all ?? "");
  }
  expect(texts).toEqual([
    "hot WARNING > 8 9.0 1970-01-01T00:00:01.000Z 00:00:01 0s",
    "hot WARNING > 8 9.0 1970-01-01T00:00:02.000Z 00:00:01 1s",
  ]);
  const { alerts } = partition.apply(readingEntry(3, 0));
  expect(alerts).toEqual([]);
  expect(partition.apply(readingEntry(4, 0)).alerts[0]?.annotations.own).toBe("a label of this name s nowhere");
});

test("a shadow rule marks its alerts as muted, and loses nothing when it goes live", () => {
  const shadow = rule({ ...plain, shadow: true });
  const partition = startPartition(shadow);
  partition.apply(readingEntry(0, 9));
  expect(partition.apply(readingEntry(1, 9)).alerts).toMatchObject([{ state: "firing", muted: true }]);
  partition.apply({ kind: "rules", storedAtUs: 3000, specs: [plain] });
  const resolved = partition.applyAll([readingEntry(2, 1), readingEntry(3, 1)]).alerts;
  expect(resolved).toMatchObject([{ state: "resolved", labels: { device: "a", metric: "m" } }]);
  expect(resolved[0]?.labels).not.toHaveProperty("weir_muted");
});

test("an incident keeps its id from pending to resolved", () => {
  const partition = startPartition(rule({ ...plain, for: "1s" }));
  const incidents = new Set<string>();
  const states: string[] = [];
  for (const [second, value] of [9, 9, 9, 5, 5].entries()) {
    for (const { incident, state } of partition.apply(readingEntry(second, value)).alerts) {
      incidents.add(incident);
      states.push(state);
    }
  }
  expect(states).toEqual(["pending", "firing", "resolved"]);
  expect(incidents.size).toBe(1);
});

test("a corrected window does not change the alert", () => {
  const partition = startPartition(plain);
  partition.apply(readingEntry(0, 9));
  expect(partition.apply(readingEntry(1, 5)).alerts).toMatchObject([{ state: "firing" }]);
  const late: TestEntry = { kind: "readings", storedAtUs: 2000, readings: [reading("a", 0.5 * SECOND, -100)] };
  const { windows, alerts } = partition.applyAll([late, { kind: "tick", storedAtUs: 1.5 * SECOND }]);
  expect(windows).toMatchObject([{ startUs: SECOND }, { startUs: 0, revision: 1, aggregates: { avg: -45.5 } }]);
  expect(alerts).toMatchObject([{ state: "resolved", atUs: 2 * SECOND }]);
});

test("editing a threshold keeps the open incident", () => {
  const partition = startPartition(plain);
  expect(play(plain, "9 9", partition)).toEqual(["1:firing"]);
  const edited: TestEntry = { kind: "rules", storedAtUs: 5000, specs: [rule({ ...plain, when: "> 7" })] };
  expect(partition.apply(edited).alerts).toEqual([]);
  expect(play(plain, "7.5 7.5 6 6", partition, 2)).toEqual(["5:resolved"]);
});

test("with another window or aggregate, the open incident continues and the new values decide", () => {
  for (const edit of [{ window: { tumbling: "2s" } }, { aggregate: "last" }, { lateness: "1s" }]) {
    const spec = rule({ ...plain, ...edit });
    const partition = startPartition(plain);
    expect(play(plain, "9 9", partition)).toEqual(["1:firing"]);
    expect(partition.apply({ kind: "rules", storedAtUs: 5000, specs: [spec] }).alerts).toEqual([]);
    const changes = play(spec, "9 9 9 9 5 5 5 5", partition, 4).map((change) => change.split(":")[1]);
    expect(changes).toEqual(["resolved"]);
  }
});

test("an incident ends with its rule, its condition, or its group", () => {
  const elsewhere = { where: { device: "other" } };
  const edits = [{ when: undefined }, { group_by: ["device"] }, elsewhere, { id: "renamed" }];
  for (const specs of [[], ...edits.map((edit) => [rule({ ...plain, ...edit })])]) {
    const partition = startPartition(plain);
    play(plain, "9 9", partition);
    const { alerts } = partition.apply({ kind: "rules", storedAtUs: 5000, specs });
    expect(alerts).toMatchObject([{ state: "resolved", rule: "hot" }]);
  }
});

test("a restart neither repeats an alert nor loses a resolve", () => {
  const spec = rule({ ...plain, for: "1s" });
  const whole = startPartition(spec);
  const expected = play(spec, "9 9 9 9 5 5", whole);
  expect(expected).toEqual(["1:pending", "2:firing", "5:resolved"]);
  for (let cut = 0; cut < 6; cut++) {
    const before = startPartition(spec);
    const values = ["9", "9", "9", "9", "5", "5"];
    const first = cut === 0 ? [] : play(spec, values.slice(0, cut).join(" "), before);
    const after = new TestPartition(before.sequence);
    after.step.restore(deserialize(serialize([...before.step.snapshot()])));
    expect([...first, ...play(spec, values.slice(cut).join(" "), after, cut)]).toEqual(expected);
  }
});

test("an absence fires once, survives a restart, and ends with the next reading", () => {
  const spec = rule({ id: "silent", absent: "5m" });
  const minute = 60 * SECOND;
  const heard = (atMinute: number): TestEntry => {
    return { kind: "readings", storedAtUs: atMinute * minute, readings: [reading("a", atMinute * minute, 1)] };
  };
  const ticks = (from: number, to: number): TestEntry[] =>
    Array.from({ length: (to - from) * 6 }, (_, i) => ({
      kind: "tick",
      storedAtUs: from * minute + (i + 1) * 10 * SECOND,
    }));
  const before = new TestPartition();
  before.apply({ kind: "rules", storedAtUs: 1 * minute - 1, specs: [spec] });
  expect(before.applyAll([heard(1), ...ticks(1, 4)]).alerts).toEqual([]);
  const after = new TestPartition(before.sequence);
  after.step.restore(deserialize(serialize([...before.step.snapshot()])));
  const fired = after.applyAll(ticks(4, 9)).alerts;
  expect(fired).toMatchObject([{ state: "firing", atUs: 6 * minute, value: 300 }]);
  expect(after.apply(heard(9)).alerts).toMatchObject([{ state: "resolved", atUs: 9 * minute, value: 480 }]);
});

test("an outage of everything does not count as a sensor's silence", () => {
  const spec = rule({ id: "silent", absent: "5m" });
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  partition.apply({ kind: "readings", storedAtUs: 2, readings: [reading("a", 0, 1)] });
  const hour = 3600 * SECOND;
  expect(partition.apply({ kind: "tick", storedAtUs: hour }).alerts).toEqual([]);
  const watched: TestEntry[] = Array.from({ length: 31 }, (_, i) => {
    return { kind: "tick", storedAtUs: hour + i * 10 * SECOND };
  });
  expect(partition.applyAll(watched).alerts).toMatchObject([{ state: "firing", value: 300 }]);
});
