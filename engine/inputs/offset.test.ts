import { deserialize, serialize } from "node:v8";
import { expect, test } from "vitest";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;

const spec = rule({
  id: "more",
  window: { tumbling: "1h" },
  where: { metric: "m" },
  let: { now: { aggregate: "avg" }, yesterday: { aggregate: "avg", offset: "1d" } },
  when: "now - yesterday >= 4",
});

function started(): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] });
  return partition;
}

/** One reading in each hour, that arrives when it is observed. */
function hours(from: number, values: readonly number[]): TestEntry[] {
  return values.map((value, i) => {
    const atUs = (from + i) * HOUR + HOUR / 2;
    return { kind: "readings", storedAtUs: atUs, readings: [reading("a", atUs, value)] };
  });
}

test("a series is compared with itself a day ago, and not before it has a day", () => {
  const { windows, alerts } = started().applyAll(hours(0, [...Array(24).fill(8), 8, 12, 11, 8]));
  expect(windows.map(({ endUs, aggregates }) => [endUs / HOUR, aggregates.now, aggregates.yesterday])).toEqual([
    [25, 8, 8],
    [26, 12, 8],
    [27, 11, 8],
  ]);
  expect(alerts.map(({ atUs, state, value }) => [atUs / HOUR, state, value])).toEqual([
    [26, "firing", 12],
    [27, "resolved", 11],
  ]);
  expect(
    alerts[0]?.evidence.parts?.map(({ name, window, value }) => [name, window.startUs, window.endUs, value]),
  ).toEqual([
    ["now", 25 * HOUR, 26 * HOUR, 12],
    ["yesterday", 25 * HOUR - DAY, 26 * HOUR - DAY, 8],
  ]);
});

test("a gap yesterday is no value", () => {
  const first = hours(0, Array(24).fill(8)).filter((_, hour) => hour !== 1);
  const { windows } = started().applyAll([...first, ...hours(24, [8, 12, 11, 8])]);
  expect(windows.map(({ endUs }) => endUs / HOUR)).toEqual([25, 27]);
});

test("a state restored at any point continues", () => {
  const all = hours(
    0,
    Array.from({ length: 60 }, (_, hour) => (hour * 7) % 11),
  );
  const words = (partition: TestPartition, entries: readonly TestEntry[]) =>
    partition.applyAll(entries).windows.map(({ endUs, aggregates }) => `${endUs / HOUR} ${JSON.stringify(aggregates)}`);
  const whole = words(started(), all);
  expect(whole.length).toBe(35);
  for (let cut = 1; cut < all.length; cut += 6) {
    const first = started();
    const before = words(first, all.slice(0, cut));
    const next = new TestPartition(first.sequence);
    next.step.restore([...first.step.snapshot()].map((part) => deserialize(serialize(part))));
    expect([...before, ...words(next, all.slice(cut))]).toEqual(whole);
  }
});
