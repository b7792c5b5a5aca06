import { deserialize, serialize } from "node:v8";
import { describe, expect, test } from "vitest";
import { US_PER_DAY, US_PER_SECOND } from "../domain/time.ts";
import { reading, rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const DAY = US_PER_DAY;
const SECOND = US_PER_SECOND;
const HOT = { id: "hot", where: { metric: "m" }, window: { tumbling: "10s" }, aggregate: "max", when: "> 8" };
const SILENT = { id: "silent", where: { metric: "m" }, absent: "10m" };

function rules(storedAtUs: number, ...specs: readonly Readonly<Record<string, unknown>>[]): TestEntry {
  return { kind: "rules", storedAtUs, specs: specs.map(rule) };
}

function readings(storedAtUs: number, ...all: ReturnType<typeof reading>[]): TestEntry {
  return { kind: "readings", storedAtUs, readings: all };
}

function tick(storedAtUs: number): TestEntry {
  return { kind: "tick", storedAtUs };
}

describe("an alert whose key is silent", () => {
  test("ends with the reason forgotten, at its last window", () => {
    const partition = new TestPartition();
    const { alerts } = partition.applyAll([
      rules(0, HOT),
      readings(95 * SECOND, reading("a", 95 * SECOND, 9)),
      tick(110 * SECOND),
      tick(95 * SECOND + 30 * DAY - 1),
    ]);
    expect(alerts).toMatchObject([{ state: "firing", atUs: 100 * SECOND }]);
    expect(partition.apply(tick(95 * SECOND + 30 * DAY)).alerts).toMatchObject([
      {
        ...{ from: "firing", state: "resolved", reason: "forgotten", atUs: 100 * SECOND, value: 9 },
        evidence: { condition: "no reading for 30d" },
      },
    ]);
    expect(partition.step.keyCount).toBe(0);
  });

  test("pending: it becomes inactive", () => {
    const partition = new TestPartition();
    const { alerts } = partition.applyAll([
      rules(0, { ...HOT, for: "1h" }),
      readings(10 * SECOND, reading("a", 10 * SECOND, 9)),
      tick(30 * SECOND),
      tick(10 * SECOND + 30 * DAY - 1),
      tick(10 * SECOND + 30 * DAY),
    ]);
    expect(alerts).toMatchObject([
      { state: "pending", atUs: 20 * SECOND },
      {
        ...{ from: "pending", state: "inactive", reason: "forgotten", atUs: 20 * SECOND },
        evidence: { condition: "no reading for 30d" },
      },
    ]);
    expect(partition.step.keyCount).toBe(0);
  });

  test("absent: it ends at the instant at which the key is forgotten", () => {
    const partition = new TestPartition();
    const entries = [rules(0, SILENT), readings(5 * SECOND, reading("a", 0, 1))];
    for (let atUs = 15 * SECOND; atUs < 700 * SECOND; atUs += 10 * SECOND) entries.push(tick(atUs));
    const { alerts } = partition.applyAll([...entries, tick(31 * DAY)]);
    expect(alerts).toMatchObject([
      { state: "firing", atUs: 605 * SECOND },
      { state: "resolved", reason: "forgotten", atUs: 5 * SECOND + 30 * DAY, value: 690 },
    ]);
  });

  test("nothing is forgotten before an absence of 60 days is noticed", () => {
    const partition = new TestPartition();
    const entries = [rules(0, { ...SILENT, absent: "60d" }), readings(5 * SECOND, reading("a", 0, 1))];
    for (let atUs = 5 * SECOND; atUs < 61 * DAY; atUs += 30 * SECOND) entries.push(tick(atUs));
    expect(partition.applyAll(entries).alerts).toMatchObject([{ state: "firing", atUs: 60 * DAY + 5 * SECOND }]);
  });
});

test("a key that was forgotten begins again: revision 0, and an old duplicate counts", () => {
  const partition = new TestPartition();
  const first = partition.applyAll([
    rules(0, { ...HOT, forget_after: "1h" }),
    readings(10 * SECOND, reading("a", 0, 9)),
    tick(30 * SECOND),
  ]);
  const again = partition.applyAll([
    readings(10 * SECOND + 3600 * SECOND, reading("a", 0, 9)),
    tick(2 * 3600 * SECOND - 1),
  ]);
  expect(first.windows).toMatchObject([{ startUs: 0, revision: 0 }]);
  expect(again.windows).toMatchObject([{ startUs: 0, revision: 0 }]);
  expect(partition.step.ledgers.of("a{site=s}")).toMatchObject({ onTime: 1, duplicates: 0 });
});

test("a duplicate keeps its key", () => {
  const partition = new TestPartition();
  partition.applyAll([rules(0, { ...HOT, forget_after: "1h" }), readings(0, reading("a", 0, 9))]);
  for (let hour = 1; hour < 5; hour++) partition.apply(readings(hour * 3500 * SECOND, reading("a", 0, 9)));
  expect(partition.step.keyCount).toBe(1);
  expect(partition.step.ledgers.of("a{site=s}")).toMatchObject({ onTime: 1, duplicates: 4 });
});

test("an edit to a shorter time forgets what has been silent for that long", () => {
  const partition = new TestPartition();
  const { alerts } = partition.applyAll([
    rules(0, HOT),
    readings(10 * SECOND, reading("a", 10 * SECOND, 9)),
    tick(30 * SECOND),
    rules(7200 * SECOND, { ...HOT, forget_after: "1h" }),
  ]);
  expect(alerts).toMatchObject([{ state: "firing" }, { state: "resolved", reason: "forgotten", atUs: 20 * SECOND }]);
});

describe.each([
  ["tumbling", { window: { tumbling: "10s" }, fill: "last" }],
  ["hopping", { window: { hopping: "10s", every: "2s" }, aggregate: ["max", "p95"] }],
  ["sliding", { window: { sliding: "10s" }, aggregate: ["max", "distinct"] }],
  ["session", { window: { session: "10s" } }],
  ["count", { window: { count: 3 } }],
  [
    "several series",
    { let: { a: { aggregate: "max" }, b: { aggregate: "avg" } }, when: "a > b + 3", window: { tumbling: "10s" } },
  ],
  ["absent", { absent: "1m", window: undefined, when: undefined, aggregate: undefined }],
])("%s", (_, fields) => {
  const spec = JSON.parse(JSON.stringify({ ...HOT, forget_after: "15m", late: "update", ...fields }));

  /** New devices every minute, and one that stays. */
  function* entriesOf(minutes: number): Generator<TestEntry> {
    yield rules(0, spec);
    for (let minute = 1; minute <= minutes; minute++) {
      const nowUs = minute * 60 * SECOND;
      const devices = ["stays", ...Array.from({ length: 10 }, (_, i) => `d${minute}-${i}`)];
      const all = devices.flatMap((device) => [0, 12, 24].map((s) => reading(device, nowUs - s * SECOND, s)));
      yield readings(nowUs, ...all);
    }
  }

  test("the state is as large after 150 minutes of new devices as after 30", () => {
    const partition = new TestPartition();
    const sizes: number[] = [];
    let count = 0;
    for (const entry of entriesOf(150)) {
      partition.apply(entry);
      if (count++ % 30 === 0 && count > 1) sizes.push(serialize([...partition.step.snapshot()]).length);
    }
    expect(partition.step.keyCount).toBeLessThan(2 * 10 * 17);
    expect(Math.max(...sizes)).toBeLessThan((sizes[0] as number) * 1.25);
  });

  test("a state that is restored goes on in the same way", () => {
    const whole = new TestPartition();
    let halves = new TestPartition();
    for (const [i, entry] of [...entriesOf(50)].entries()) {
      if (i % 13 === 12) {
        const parts = deserialize(serialize([...halves.step.snapshot()]));
        halves = new TestPartition(halves.sequence);
        halves.step.restore(parts);
      }
      const { windows, alerts } = halves.apply(entry);
      const expected = whole.apply(entry);
      expect({ windows, alerts }).toEqual({ windows: expected.windows, alerts: expected.alerts });
    }
    expect(halves.step.ledgers.of("d1-0{site=s}")).toBeUndefined();
    expect(halves.step.ledgers.of("stays{site=s}")).toMatchObject(whole.step.ledgers.of("stays{site=s}") ?? {});
  });
});
