import { expect, test } from "vitest";
import { reading, rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const SECOND = 1e6;

function came(second: number, ...observed: number[]): TestEntry {
  const readings = observed.map((each) => reading("d", each * SECOND, 1));
  return { kind: "readings", storedAtUs: second * SECOND, readings };
}

/** A quiet log gets a tick each ten seconds. */
function ticks(from: number, to: number): TestEntry[] {
  return Array.from({ length: Math.floor((to - from) / 10) + 1 }, (_, i): TestEntry => {
    return { kind: "tick", storedAtUs: (from + 10 * i) * SECOND };
  });
}

const absent = rule({ id: "silent", absent: "1m" });

test("a reading that every window drops is counted as dropped, also where `absent` reads the series", () => {
  const partition = new TestPartition();
  const windows = rule({ id: "r", window: { tumbling: "10s" }, aggregate: "count" });
  partition.applyAll([
    { kind: "rules", storedAtUs: 1, specs: [windows, absent] },
    came(1_000, 900, 1_000),
    came(1_001, 20),
  ]);
  expect(partition.step.ledger).toMatchObject({ onTime: 2, lateDropped: 1 });
});

test("readings that only `absent` reads are on time", () => {
  const partition = new TestPartition();
  partition.applyAll([{ kind: "rules", storedAtUs: 1, specs: [absent] }, came(1_000, 900, 1_000), came(1_001, 20)]);
  expect(partition.step.ledger).toMatchObject({ onTime: 3, lateDropped: 0 });
});

test.each([
  ["an old reading, filled in later, does not end an absence", [500], ["firing"]],
  ["nor do many of them", [500, 510, 990], ["firing"]],
  ["the newest reading, sent again, does", [1_000], ["firing", "resolved"]],
  ["a reading of the time of the silence does", [1_001], ["firing", "resolved"]],
])("%s", (_what, observed, states) => {
  const partition = new TestPartition();
  const { alerts } = partition.applyAll([
    { kind: "rules", storedAtUs: 1, specs: [absent] },
    came(1_000, 490, 1_000),
    ...ticks(1_010, 1_100),
    came(1_105, ...observed),
  ]);
  expect(alerts.map(({ state }) => state)).toEqual(states);
});
