import { describe, expect, test } from "vitest";
import { US_PER_DAY, US_PER_SECOND } from "../domain/time.ts";
import { reading, rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const SECOND = US_PER_SECOND;
const DAY = US_PER_DAY;

function rules(spec: Readonly<Record<string, unknown>>): TestEntry {
  return { kind: "rules", storedAtUs: 0, specs: [rule({ id: "r", aggregate: "count", ...spec })] };
}

function readings(storedAtUs: number, ...all: ReturnType<typeof reading>[]): TestEntry {
  return { kind: "readings", storedAtUs, readings: all };
}

describe("filling", () => {
  const filled = {
    window: { tumbling: "1s" },
    aggregate: "last",
    fill: "last",
    fill_for: "300d",
    forget_after: "300d",
  };

  test.each([
    ["the year 9999", Date.parse("9999-12-31T00:00:00Z") * 1000],
    ["ten years later", 10 * 365 * DAY],
  ])("up to a reading of %s emits at most 10,000 windows", (_, atUs) => {
    const partition = new TestPartition();
    partition.applyAll([
      rules(filled),
      readings(SECOND, reading("a", 0, 1)),
      readings(2 * SECOND, reading("a", 5 * SECOND, 1)),
    ]);
    const { windows } = partition.apply(readings(3 * SECOND, reading("a", atUs, 2)));
    expect(windows.length).toBeGreaterThan(9_000);
    expect(windows.length).toBeLessThanOrEqual(10_002);
    expect(windows.at(-1)?.endUs).toBeLessThanOrEqual(atUs + SECOND);
  });

  test("a reading of 1970 after present ones fills nothing", () => {
    const partition = new TestPartition();
    const nowUs = Date.parse("2026-01-01T00:00:00Z") * 1000;
    partition.applyAll([rules(filled), readings(nowUs, reading("a", nowUs, 1))]);
    expect(partition.apply(readings(nowUs + 1, reading("a", 0, 1))).windows).toEqual([]);
  });

  test("a pause of 200 days emits the newest 10,000 windows of a key", () => {
    const partition = new TestPartition();
    partition.applyAll([rules(filled), readings(SECOND, reading("a", SECOND, 1))]);
    const { windows } = partition.apply({ kind: "tick", storedAtUs: 200 * DAY });
    // The window of the reading, and the newest of those after it.
    expect(windows.length).toBe(10_001);
    expect(windows.at(-1)?.endUs).toBe(200 * DAY);
    // Then it goes on, one by one.
    expect(partition.apply({ kind: "tick", storedAtUs: 200 * DAY + 3 * SECOND }).windows.length).toBe(3);
  });

  test("a pause emits at most 200,000 of all keys, and the newest of each", () => {
    const partition = new TestPartition();
    const devices = Array.from({ length: 100 }, (_, i) => reading(`d${i}`, SECOND, 1));
    partition.applyAll([rules(filled), readings(SECOND, ...devices)]);
    const { windows } = partition.apply({ kind: "tick", storedAtUs: 200 * DAY });
    expect(windows.length).toBeLessThan(200_000 + 400);
    expect(windows.filter(({ endUs }) => endUs === 200 * DAY).length).toBe(100);
  });
});

describe("a key keeps at most 50,000", () => {
  const MANY = 50_000;

  test.each([
    ["times of sliding windows", { window: { sliding: "30d" } }],
    ["times that wait for a count window", { window: { count: 5 }, lateness: "30d" }],
    ["sessions", { window: { session: "1s" }, lateness: "12h" }],
  ])("%s; a reading beyond is dropped", (_, spec) => {
    const partition = new TestPartition();
    partition.apply(rules(spec));
    const step = "session" in spec.window ? SECOND * 0.8 : SECOND;
    for (let from = 0; from < MANY + 1_000; from += 1_000) {
      const all = Array.from({ length: 1_000 }, (_each, i) => reading("a", (from + i) * step, 1));
      partition.apply(readings(1_000_000, ...all));
    }
    const { onTime, lateDropped } = partition.step.ledger;
    if ("session" in spec.window) expect(lateDropped).toBe(0);
    else expect({ onTime, lateDropped }).toEqual({ onTime: MANY, lateDropped: 1_000 });
  });

  test("and a late reading in the middle of them corrects the windows in one pass", () => {
    const partition = new TestPartition();
    partition.apply(rules({ window: { sliding: "10h" }, aggregate: "sum" }));
    const all = Array.from({ length: 30_000 }, (_each, i) => reading("a", i * SECOND, 1));
    for (let from = 0; from < all.length; from += 1_000) partition.apply(readings(1, ...all.slice(from, from + 1_000)));
    partition.apply(readings(2, reading("a", 100_500_000, 1)));
    const { windows } = partition.apply({ kind: "tick", storedAtUs: 3 * SECOND });
    expect(windows.length).toBe(30_000 - 100);
    expect(windows.at(-1)).toMatchObject({ revision: 1, aggregates: { sum: 30_001 } });
    expect(windows.find(({ endUs }) => endUs === 200 * SECOND + 1)).toMatchObject({ aggregates: { sum: 202 } });
  }, 60_000);
});

test("a rule keeps as many keys as fit, and reads others again when there is room", () => {
  const partition = new TestPartition(0, { windowsMax: 1_000 });
  // 13 windows for each key: 76 keys fit.
  partition.apply(rules({ window: { tumbling: "1m" }, lateness: "10m", forget_after: "1s" }));
  const devices = Array.from({ length: 100 }, (_, i) => reading(`d${i}`, SECOND, 1));
  partition.apply(readings(SECOND, ...devices));
  expect(partition.step.keyCount).toBe(76);
  expect(partition.step.refusals).toBe(24);
  const later = SECOND + DAY;
  partition.apply(readings(later, reading("d99", later, 1)));
  expect(partition.step.keyCount).toBe(1);
  expect(partition.step.ledgers.of("d99{site=s}")).toMatchObject({ onTime: 1 });
});
