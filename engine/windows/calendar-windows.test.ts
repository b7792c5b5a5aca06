import { deserialize, serialize } from "node:v8";
import { describe, expect, test } from "vitest";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const us = (text: string) => Date.parse(text) * 1000;
const HOUR = 3_600_000_000;

function started(window: object, more: object = {}): TestPartition {
  const partition = new TestPartition();
  const spec = rule({ id: "w", window, aggregate: ["count", "sum"], ...more });
  partition.apply({ kind: "rules", storedAtUs: us("2020-01-01T00:00Z"), specs: [spec] });
  return partition;
}

/** One reading each hour, with the value 1, that arrives when it is observed. */
function hourly(from: string, until: string): TestEntry[] {
  const entries: TestEntry[] = [];
  for (let atUs = us(from); atUs <= us(until); atUs += HOUR)
    entries.push({ kind: "readings", storedAtUs: atUs, readings: [reading("a", atUs, 1)] });
  return entries;
}

function spans(partition: TestPartition, entries: readonly TestEntry[]): string[] {
  return partition.applyAll(entries).windows.map(({ startUs, endUs, aggregates, revision }) => {
    const text = (atUs: number) => new Date(atUs / 1000).toISOString().slice(0, 16);
    return `${text(startUs)} ${text(endUs)} ${aggregates.count}${revision === 0 ? "" : ` again ${revision}`}`;
  });
}

test("a local day has 23 hours when clocks are set forward, and 25 when they are set back", () => {
  const day = { calendar: "day", zone: "Europe/Berlin" };
  expect(spans(started(day), hourly("2026-03-28T12:00Z", "2026-03-30T22:00Z"))).toEqual([
    "2026-03-27T23:00 2026-03-28T23:00 11",
    "2026-03-28T23:00 2026-03-29T22:00 23",
    "2026-03-29T22:00 2026-03-30T22:00 24",
  ]);
  expect(spans(started(day), hourly("2026-10-24T22:00Z", "2026-10-26T23:00Z"))).toEqual([
    "2026-10-24T22:00 2026-10-25T23:00 25",
    "2026-10-25T23:00 2026-10-26T23:00 24",
  ]);
});

test("an offset follows the clock change", () => {
  const rain = { calendar: "day", zone: "Europe/Berlin", offset: "09:00" };
  expect(spans(started(rain), hourly("2026-03-28T08:00Z", "2026-03-30T07:00Z"))).toEqual([
    "2026-03-28T08:00 2026-03-29T07:00 23",
    "2026-03-29T07:00 2026-03-30T07:00 24",
  ]);
});

test("a time that clocks skip begins where they skip it, and one that they show twice where they show it first", () => {
  const at = (offset: string) => ({ calendar: "day", zone: "Europe/Berlin", offset });
  expect(spans(started(at("02:30")), hourly("2026-03-28T22:00Z", "2026-03-30T01:00Z"))).toEqual([
    "2026-03-28T01:30 2026-03-29T01:00 3",
    "2026-03-29T01:00 2026-03-30T00:30 24",
  ]);
  expect(spans(started(at("02:30")), hourly("2026-10-25T00:00Z", "2026-10-26T02:00Z"))).toEqual([
    "2026-10-24T00:30 2026-10-25T00:30 1",
    "2026-10-25T00:30 2026-10-26T01:30 25",
  ]);
});

test.each([
  ["weeks begin on Monday", { calendar: "week", zone: "Europe/Berlin" }, ["2026-07-05T22:00 2026-07-12T22:00 166"]],
  [
    "or on another day",
    { calendar: "week", starts: "wed", offset: "06:00" },
    ["2026-07-01T06:00 2026-07-08T06:00 54", "2026-07-08T06:00 2026-07-15T06:00 168"],
  ],
])("%s", (_name, window, expected) => {
  const all = spans(started(window), hourly("2026-07-06T00:00Z", "2026-07-17T00:00Z"));
  expect(all.slice(-expected.length)).toEqual(expected);
});

test("months have their own lengths", () => {
  const month = { calendar: "month", zone: "Europe/Berlin" };
  expect(spans(started(month), hourly("2026-01-31T23:00Z", "2026-04-30T22:00Z"))).toEqual([
    "2026-01-31T23:00 2026-02-28T23:00 672",
    "2026-02-28T23:00 2026-03-31T22:00 743",
    "2026-03-31T22:00 2026-04-30T22:00 720",
  ]);
});

test("shifts: the night shift belongs together, and is an hour longer when clocks are set back", () => {
  const shifts = { shifts: ["06:00", "14:00", "22:00"], zone: "Europe/Berlin" };
  expect(spans(started(shifts), hourly("2026-10-24T12:00Z", "2026-10-25T13:00Z"))).toEqual([
    "2026-10-24T12:00 2026-10-24T20:00 8",
    "2026-10-24T20:00 2026-10-25T05:00 9",
    "2026-10-25T05:00 2026-10-25T13:00 8",
  ]);
});

test("a date that a zone skips has no window", () => {
  const day = { calendar: "day", zone: "Pacific/Apia" };
  expect(spans(started(day), hourly("2011-12-29T10:00Z", "2011-12-31T10:00Z"))).toEqual([
    "2011-12-29T10:00 2011-12-30T10:00 24",
    "2011-12-30T10:00 2011-12-31T10:00 24",
  ]);
});

describe("late readings", () => {
  const day = { calendar: "day" };
  const late = (at: string, arrives: string, value = 1): TestEntry => ({
    kind: "readings",
    storedAtUs: us(arrives),
    readings: [reading("a", us(at), value)],
  });
  const start = [late("2026-05-01T12:00Z", "2026-05-01T12:00Z"), late("2026-05-02T12:00Z", "2026-05-02T12:00Z")];

  test("correct their window while it is retained: for two days", () => {
    const partition = started(day);
    spans(partition, start);
    expect(
      spans(partition, [
        late("2026-05-01T13:00Z", "2026-05-02T13:00Z"),
        { kind: "tick", storedAtUs: us("2026-05-02T13:00:01Z") },
      ]),
    ).toEqual(["2026-05-01T00:00 2026-05-02T00:00 2 again 1"]);
    spans(partition, [late("2026-05-04T00:00Z", "2026-05-04T00:00Z")]);
    const tooLate = [
      late("2026-05-01T14:00Z", "2026-05-04T01:00Z"),
      { kind: "tick", storedAtUs: us("2026-05-04T01:01Z") } as const,
    ];
    expect(spans(partition, tooLate)).toEqual([]);
    expect(partition.step.ledger).toMatchObject({ lateApplied: 1, lateDropped: 1 });
  });

  test("are dropped with `late: drop`", () => {
    const partition = started(day, { late: "drop" });
    spans(partition, start);
    const more = [
      late("2026-05-01T13:00Z", "2026-05-02T13:00Z"),
      { kind: "tick", storedAtUs: us("2026-05-02T13:01Z") } as const,
    ];
    expect(spans(partition, more)).toEqual([]);
  });

  test("that fit the lateness are in time", () => {
    const partition = started(day, { lateness: "2h" });
    expect(
      spans(partition, [
        ...start.slice(0, 1),
        late("2026-05-02T01:00Z", "2026-05-02T01:00Z"),
        late("2026-05-01T23:00Z", "2026-05-02T01:30Z"),
        late("2026-05-02T02:00Z", "2026-05-02T02:00Z"),
      ]),
    ).toEqual(["2026-05-01T00:00 2026-05-02T00:00 2"]);
  });
});

test("idleness closes a day", () => {
  const entries: TestEntry[] = [
    ...hourly("2026-05-01T20:00Z", "2026-05-01T21:00Z"),
    { kind: "tick", storedAtUs: us("2026-05-02T00:00Z") },
  ];
  expect(spans(started({ calendar: "day" }), entries)).toEqual(["2026-05-01T00:00 2026-05-02T00:00 2"]);
});

test("a state lasts into the next day", () => {
  const partition = started({ calendar: "day" }, { aggregate: "duration(open)", where: {} });
  const state = (at: string, value: string): TestEntry => ({
    kind: "readings",
    storedAtUs: us(at),
    readings: [{ ...reading("a", us(at), 0), value }],
  });
  const { windows } = partition.applyAll([
    state("2026-05-01T20:00Z", "open"),
    state("2026-05-02T06:00Z", "closed"),
    state("2026-05-05T00:00Z", "open"),
    state("2026-05-06T00:00Z", "open"),
  ]);
  expect(windows.map(({ aggregates }) => aggregates["duration(open)"])).toEqual([4 * 3600, 6 * 3600, 24 * 3600]);
});

test("a state restored at any point continues", () => {
  const shifts = { shifts: ["06:00", "18:00"] };
  const all = hourly("2026-05-01T00:00Z", "2026-05-04T00:00Z").map((entry, i) =>
    entry.kind === "readings" && i % 7 === 3
      ? { ...entry, readings: entry.readings.map((one) => ({ ...one, atUs: one.atUs - 9 * HOUR })) }
      : entry,
  );
  const whole = spans(started(shifts), all);
  for (let cut = 1; cut < all.length; cut += 5) {
    const first = started(shifts);
    const before = spans(first, all.slice(0, cut));
    const next = new TestPartition(first.sequence);
    next.step.restore([...first.step.snapshot()].map((part) => deserialize(serialize(part))));
    expect([...before, ...spans(next, all.slice(cut))]).toEqual(whole);
  }
});
