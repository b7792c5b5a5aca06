import { deserialize, serialize } from "node:v8";
import { expect, test } from "vitest";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Minutes from 2026-07-06T04:00Z, a Monday: 06:00 in Berlin. */
const START_US = Date.UTC(2026, 6, 6, 4) * 1_000;
const at = (minutes: number) => START_US + minutes * MINUTE;
const minuteOf = (atUs: number) => (atUs - START_US) / MINUTE;

const hot = rule({
  id: "hot",
  window: { tumbling: "1m" },
  when: "> 8",
  active: { days: ["mon-fri"], hours: ["07:00-18:00"], zone: "Europe/Berlin" },
});

function startWith(...specs: readonly RuleSpec[]): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: START_US - 1, specs });
  return partition;
}

function hear(minutes: number, value = 1): TestEntry {
  return { kind: "readings", storedAtUs: at(minutes), readings: [reading("a", at(minutes), value)] };
}

/** Applies readings by minute; returns `minute:state` texts. */
function play(partition: TestPartition, values: Readonly<Record<number, number>>): string[] {
  return Object.entries(values).flatMap(([minute, value]) =>
    partition.apply(hear(Number(minute), value)).alerts.map(({ atUs, state }) => `${minuteOf(atUs)}:${state}`),
  );
}

test("nothing fires outside active time; the first and the last window that end in it are evaluated", () => {
  // 07:00 is minute 60, 18:00 is minute 720.
  const partition = startWith(hot);
  expect(play(partition, { 58: 9, 59: 9, 60: 9, 61: 9 })).toEqual(["61:firing"]);
  expect(play(partition, { 62: 1, 63: 1 })).toEqual(["63:resolved"]);
  expect(play(partition, { 719: 9, 720: 9, 721: 9 })).toEqual(["720:firing", "721:resolved"]);
});

test("an open alert ends outside active time, and `for` starts again the next day", () => {
  const partition = startWith(rule({ ...hot, for: "5m", keep_firing_for: "2m" }));
  expect(play(partition, { 717: 9, 718: 9, 719: 9, 720: 9, 721: 9 })).toEqual(["718:pending", "721:inactive"]);
  const day = 24 * 60;
  const values = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [day + 60 + i, 9]));
  expect(play(partition, values)).toEqual([`${day + 61}:pending`, `${day + 66}:firing`]);
  const evening = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [day + 719 + i, 9]));
  expect(play(partition, evening)).toEqual([`${day + 723}:resolved`]);
});

test("an end outside active time gives the reason", () => {
  const partition = startWith(hot);
  play(partition, { 718: 9, 719: 9, 720: 9 });
  const { alerts } = partition.apply(hear(721, 9));
  expect(alerts).toMatchObject([{ state: "resolved", value: 9, evidence: { condition: "not in active time" } }]);
});

test("rules with different hours share their windows", () => {
  const partition = startWith(hot, rule({ ...hot, id: "always", active: undefined }));
  partition.apply(hear(0, 9));
  expect(partition.step.keyCount).toBe(1);
  expect(partition.apply(hear(1, 9)).alerts).toMatchObject([{ rule: "always" }]);
});

const silent = rule({ id: "silent", absent: "30m", active: { hours: ["07:00-18:00"], zone: "Europe/Berlin" } });

/** A tick every ten seconds, so that all of the time is watched. */
function ticks(from: number, to: number): TestEntry[] {
  return Array.from({ length: (to - from) * 6 }, (_, i) => ({
    kind: "tick",
    storedAtUs: at(from) + (i + 1) * 10 * SECOND,
  }));
}

function emitted(partition: TestPartition, entries: readonly TestEntry[]): string[] {
  return partition
    .applyAll(entries)
    .alerts.map(({ atUs, state, value }) => `${minuteOf(atUs)}:${state}:${Number(value) / 60}`);
}

test("silence counts only in active time; once it fires, it lasts until the next reading, even at night", () => {
  const partition = startWith(silent);
  // 20 minutes before the evening, and the rest the next morning.
  expect(emitted(partition, [hear(700), ...ticks(700, 1_509)])).toEqual([]);
  expect(emitted(partition, ticks(1_509, 1_515))).toEqual(["1510:firing:30"]);
  expect(emitted(partition, [...ticks(1_515, 2_200), hear(2_200)])).toEqual(["2200:resolved:680"]);
});

test("unwatched time is not subtracted twice if it was also inactive", () => {
  const partition = startWith(silent);
  // Unwatched from 17:50 to 07:10: ten active minutes on each side.
  expect(emitted(partition, [hear(690), ...ticks(690, 710)])).toEqual([]);
  expect(emitted(partition, [{ kind: "tick", storedAtUs: at(1_510) }, ...ticks(1_510, 1_530)])).toEqual([
    "1520:firing:30",
  ]);
});

test("a restart keeps active time and counted silence", () => {
  const before = startWith(silent);
  expect(emitted(before, [hear(690), ...ticks(690, 710), { kind: "tick", storedAtUs: at(1_510) }])).toEqual([]);
  const after = new TestPartition(before.sequence);
  after.step.restore(deserialize(serialize([...before.step.snapshot()])));
  expect(emitted(after, ticks(1_510, 1_530))).toEqual(["1520:firing:30"]);
});

test("with other hours, counted silence stays counted, and the alert continues", () => {
  const partition = startWith(silent);
  emitted(partition, [hear(700), ...ticks(700, 730)]);
  const always = { ...silent, active: undefined };
  expect(emitted(partition, [{ kind: "rules", storedAtUs: at(730), specs: [always] }])).toEqual([]);
  // 20 minutes had counted before.
  expect(emitted(partition, ticks(730, 745))).toEqual(["740:firing:30"]);
  expect(emitted(partition, [{ kind: "rules", storedAtUs: at(745), specs: [silent] }, ...ticks(745, 750)])).toEqual([]);
  expect(emitted(partition, [hear(750)])).toEqual(["750:resolved:35"]);
});

test("a window that ends after the hours because its sensor fell silent is evaluated at its end", () => {
  const partition = startWith(hot);
  partition.apply(hear(719, 9));
  expect(partition.apply({ kind: "tick", storedAtUs: at(900) }).alerts).toMatchObject([
    { atUs: at(720), state: "firing" },
  ]);
});

test("two sessions across a clock change", () => {
  const spec = rule({ ...hot, window: { session: "10m" }, active: { hours: ["02:00-03:00"], zone: "Europe/Berlin" } });
  const change = Date.UTC(2026, 9, 25, 1) * 1_000;
  const states = [-70, -50, 10, 30, 70, 90].map((minutes) => {
    const partition = startWith(spec);
    const entry = (atUs: number): TestEntry => ({
      kind: "readings",
      storedAtUs: atUs,
      readings: [reading("a", atUs, 9)],
    });
    partition.apply(entry(change + minutes * MINUTE));
    return partition.apply(entry(change + 5 * HOUR)).alerts.length;
  });
  // 02:00 to 03:00 occurs twice. The test covers an hour before and an hour after the change.
  expect(states).toEqual([0, 1, 1, 1, 0, 0]);
});
