import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { WindowResult } from "../domain/window-result.ts";
import { reading, rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const SECOND = 1e6;
const AGGREGATES = ["count", "sum", "min", "max", "avg", "first", "last", "stddev"];
const everything = rule({ id: "all", window: { tumbling: "10s" }, aggregate: AGGREGATES, lateness: "5s" });

/** Brute force from the definitions, one value at a time. */
function aggregate(readings: readonly { atUs: number; value: number }[]): Record<string, number> {
  const values = readings.map(({ value }) => value);
  const byTime = [...readings].sort((a, b) => a.atUs - b.atUs);
  const sum = values.reduce((a, b) => a + b, 0);
  const avg = sum / values.length;
  const squares = values.reduce((total, value) => total + (value - avg) ** 2, 0);
  return {
    count: values.length,
    sum,
    min: Math.min(...values),
    max: Math.max(...values),
    avg,
    first: byTime[0]?.value ?? Number.NaN,
    last: byTime.at(-1)?.value ?? Number.NaN,
    stddev: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)),
  };
}

interface Sample {
  readonly device: string;
  readonly atUs: number;
  readonly value: number;
}

function bruteForce(samples: readonly Sample[], sizeUs: number): Map<string, Record<string, number>> {
  const unique = new Map<string, Sample>();
  for (const sample of samples) {
    const key = `${sample.device} ${sample.atUs}`;
    if (!unique.has(key)) unique.set(key, sample);
  }
  const windows = new Map<string, Sample[]>();
  for (const sample of unique.values()) {
    const key = `${sample.device} ${Math.floor(sample.atUs / sizeUs) * sizeUs}`;
    windows.set(key, [...(windows.get(key) ?? []), sample]);
  }
  return new Map([...windows].map(([key, inside]) => [key, aggregate(inside)]));
}

function byWindow(results: readonly WindowResult[]): Map<string, Record<string, number>> {
  const numbers = ({ aggregates }: WindowResult) =>
    Object.fromEntries(Object.entries(aggregates).map(([name, value]) => [name, Number(value)]));
  return new Map(results.map((result) => [`${result.labels.device} ${result.startUs}`, numbers(result)]));
}

function expectClose(actual: Map<string, Record<string, number>>, expected: Map<string, Record<string, number>>): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [key, values] of expected) {
    for (const [name, value] of Object.entries(values)) {
      expect(actual.get(key)?.[name], `${key} ${name}`).toBeCloseTo(value, 6);
    }
  }
}

const samples = fc.array(
  fc.record({
    device: fc.constantFrom("a", "b"),
    atUs: fc.integer({ min: 0, max: 100 }).map((s) => s * SECOND),
    value: fc.integer({ min: -1000, max: 1000 }).map((value) => value / 8),
  }),
  { minLength: 1, maxLength: 80 },
);

/** Cuts a list into frames at arbitrary places. The log stores one frame a microsecond, so no window closes by idleness. */
function toEntries(list: readonly Sample[], cuts: readonly number[]): TestEntry[] {
  const bounds = [0, ...[...new Set(cuts.map((cut) => cut % (list.length + 1)))].sort((a, b) => a - b), list.length];
  return bounds.slice(1).map((end, i) => ({
    kind: "readings",
    storedAtUs: 1000 + i,
    readings: list.slice(bounds[i], end).map(({ device, atUs, value }) => reading(device, atUs, value)),
  }));
}

const begin: TestEntry = { kind: "rules", storedAtUs: 1, specs: [everything] };
const end: TestEntry = { kind: "tick", storedAtUs: 1e12 };

test("windows equal brute force when disorder stays within the lateness, however frames are cut", () => {
  fc.assert(
    fc.property(samples, fc.array(fc.nat(), { maxLength: 20 }), fc.infiniteStream(fc.nat(5)), (list, cuts, delays) => {
      // No sample is delayed by more than five seconds of event time, so none is late.
      const delayed = list
        .map((sample) => ({ sample, orderUs: sample.atUs + (delays.next().value ?? 0) * SECOND }))
        .sort((a, b) => a.orderUs - b.orderUs)
        .map(({ sample }) => sample);
      const partition = new TestPartition();
      const { windows } = partition.applyAll([begin, ...toEntries(delayed, cuts), end]);
      expectClose(byWindow(windows), bruteForce(delayed, 10 * SECOND));
      expect(windows.every(({ revision }) => revision === 0)).toBe(true);
      expect(partition.step.ledger.lateApplied + partition.step.ledger.lateDropped).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("with any disorder, the last revision of each window equals brute force while the window is retained", () => {
  const near = fc.array(
    fc.record({
      device: fc.constant("a"),
      atUs: fc.integer({ min: 0, max: 29 }).map((s) => s * SECOND),
      value: fc.integer({ min: -50, max: 50 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(near, fc.array(fc.nat(), { maxLength: 10 }), (list, cuts) => {
      const partition = new TestPartition();
      const { windows } = partition.applyAll([begin, ...toEntries(list, cuts), end]);
      expectClose(byWindow(windows), bruteForce(list, 10 * SECOND));
      for (const [i, result] of windows.entries()) {
        const before = windows.slice(0, i).filter(({ startUs }) => startUs === result.startUs);
        expect(result.revision).toBe(before.length);
      }
    }),
    { numRuns: 300 },
  );
});

test("the ledger counts every reading as applied, late or duplicate", () => {
  fc.assert(
    fc.property(samples, (list) => {
      const partition = new TestPartition();
      const { windows } = partition.applyAll([begin, ...toEntries(list, [3, 11]), end]);
      let counted = 0;
      for (const values of byWindow(windows).values()) counted += values.count ?? 0;
      const { onTime, lateApplied, duplicates, lateDropped } = partition.step.ledger;
      expect(onTime + lateApplied + duplicates + lateDropped).toBe(list.length);
      expect(counted).toBe(onTime + lateApplied);
    }),
    { numRuns: 200 },
  );
});

const alerting = rule({
  id: "high",
  window: { tumbling: "5s" },
  aggregate: ["max"],
  when: "> 50",
  clear: "< 20",
  for: "5s",
});

const entries: fc.Arbitrary<TestEntry[]> = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: samples.map((list) => ({ kind: "readings" as const, list })) },
      { weight: 2, arbitrary: fc.constant({ kind: "tick" as const }) },
      {
        weight: 1,
        arbitrary: fc
          .subarray([everything, alerting, { ...alerting, when: "> 60" }, { ...alerting, id: "other" }])
          .map((specs) => ({
            kind: "rules" as const,
            specs: specs.filter((spec, i) => specs.findIndex(({ id }) => id === spec.id) === i),
          })),
      },
    ),
    { maxLength: 12 },
  )
  .chain((list) =>
    fc.tuple(fc.constant(list), fc.array(fc.integer({ min: 1, max: 20 * SECOND }), { minLength: 12, maxLength: 12 })),
  )
  .map(([list, pauses]) => {
    let storedAtUs = 1000;
    return [
      begin,
      ...list.map((entry, i): TestEntry => {
        storedAtUs += pauses[i] ?? 1;
        if (entry.kind !== "readings") return { ...entry, storedAtUs };
        const readings = entry.list.map(({ device, atUs, value }) => reading(device, atUs, value));
        return { kind: "readings", storedAtUs, readings };
      }),
      end,
    ];
  });

test("a replay gives the same output, byte for byte", () => {
  fc.assert(
    fc.property(entries, (list) => {
      const once = JSON.stringify(new TestPartition().applyAll(list));
      expect(JSON.stringify(new TestPartition().applyAll(list))).toBe(once);
    }),
  );
});

test("saving and restoring at any point gives the same output as a single run", () => {
  fc.assert(
    fc.property(entries, fc.nat(), (list, cut) => {
      const split = cut % (list.length + 1);
      const whole = new TestPartition().applyAll(list);
      const first = new TestPartition();
      const before = first.applyAll(list.slice(0, split));
      const second = new TestPartition(first.sequence);
      second.step.restore(deserialize(serialize([...first.step.snapshot()])));
      const after = second.applyAll(list.slice(split));
      expect({
        windows: [...before.windows, ...after.windows],
        alerts: [...before.alerts, ...after.alerts],
      }).toEqual(whole);
    }),
    { numRuns: 200 },
  );
});

test("the window of a sensor that stops halfway through closes on time", () => {
  const partition = new TestPartition();
  partition.apply(begin);
  partition.apply({ kind: "readings", storedAtUs: 100 * SECOND, readings: [reading("a", 3 * SECOND, 1)] });
  // The window ends at 10 s, 7 s after the reading, and waits another 5 s for late readings.
  expect(partition.step.nextDueUs).toBe(112 * SECOND);
  expect(partition.apply({ kind: "tick", storedAtUs: 112 * SECOND - 1 }).windows).toEqual([]);
  expect(partition.apply({ kind: "tick", storedAtUs: 112 * SECOND }).windows).toMatchObject([
    { startUs: 0, revision: 0 },
  ]);
  // Nothing is due until the sensor is forgotten.
  expect(partition.step.nextDueUs).toBe(100 * SECOND + 30 * 86_400 * SECOND);
});

test("a device whose clock is a year ahead does not stall other devices", () => {
  const partition = new TestPartition();
  partition.apply(begin);
  const year = 365 * 86_400 * SECOND;
  const readings = [reading("wrong", year, 1), reading("right", 1 * SECOND, 2), reading("right", 16 * SECOND, 3)];
  const { windows } = partition.apply({ kind: "readings", storedAtUs: 1000, readings });
  expect(windows).toMatchObject([{ labels: { device: "right" }, startUs: 0 }]);
});

test("a device that was offline for an hour gets its windows and corrections when it delivers its buffer", () => {
  const partition = new TestPartition();
  const minute = 60 * SECOND;
  partition.apply(begin);
  partition.apply({ kind: "readings", storedAtUs: 1000, readings: [reading("a", 1 * SECOND, 1)] });
  expect(partition.apply({ kind: "tick", storedAtUs: 60 * minute }).windows).toHaveLength(1);
  const buffer = Array.from({ length: 3600 }, (_, i) => reading("a", (2 + i) * SECOND, 1));
  const late = partition.apply({ kind: "readings", storedAtUs: 60 * minute + 1, readings: buffer }).windows;
  const done = partition.apply({ kind: "tick", storedAtUs: 120 * minute }).windows;
  const last = byWindow([...late, ...done]);
  expect(last.size).toBe(361);
  let counted = 0;
  for (const values of last.values()) counted += values.count ?? 0;
  expect(counted).toBe(3601);
  expect(late).toContainEqual(expect.objectContaining({ startUs: 0, revision: 1 }));
  expect(last.get("a 0")).toMatchObject({ count: 9 });
  expect(partition.step.ledger.lateDropped).toBe(0);
});

test("with `late: drop`, late readings are only counted", () => {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [{ ...everything, late: "drop" }] });
  const readings = [reading("a", 1 * SECOND, 1), reading("a", 30 * SECOND, 1), reading("a", 2 * SECOND, 1)];
  const { windows } = partition.apply({ kind: "readings", storedAtUs: 1000, readings });
  expect(windows).toMatchObject([{ startUs: 0, aggregates: { count: 1 } }]);
  expect(partition.step.ledger).toMatchObject({ lateDropped: 1, lateApplied: 0 });
});

test("sums stay exact where plain addition loses digits", () => {
  const partition = new TestPartition();
  partition.apply(begin);
  const readings = [1e16, 1, -1e16, 1].map((value, i) => reading("a", i, value));
  const { windows } = partition.applyAll([{ kind: "readings", storedAtUs: 1000, readings }, end]);
  expect(windows[0]?.aggregates).toMatchObject({ sum: 2, avg: 0.5 });
});
