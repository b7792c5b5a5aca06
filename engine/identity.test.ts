import { readFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { Reading, ReadingValue, Tags } from "../domain/reading.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { rule, type TestEntry, TestPartition } from "./testing/step-kit.ts";

const SECOND = 1e6;

interface Fixture {
  readonly sequence: number;
  readonly snapshot: string;
  readonly after: readonly TestEntry[];
  readonly windows: unknown;
  readonly alerts: unknown;
}

function entry(second: number, ...readings: Reading[]): TestEntry {
  return { kind: "readings", storedAtUs: second * SECOND, readings };
}

function power(second: number, value: ReadingValue, tags: Tags = {}, metric = "power"): Reading {
  return { device: "meter", metric, tags, atUs: second * SECOND, value };
}

function startPartition(...specs: RuleSpec[]): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs });
  return partition;
}

function restored(partition: TestPartition): TestPartition {
  const next = new TestPartition(partition.sequence);
  next.step.restore(deserialize(serialize([...partition.step.snapshot()])));
  return next;
}

const hot = { id: "hot", window: { tumbling: "10s" }, where: { metric: "power" }, aggregate: "avg", when: "> 5" };
const phases = ["L1", "L2", "L3"].map((phase, i) => power(1, 3 * i, { phase, site: "north" }));

test("by default each series has its own window: the phases of a meter are not averaged", () => {
  const partition = startPartition(rule(hot));
  partition.apply(entry(1, ...phases, power(1, 60)));
  const { windows, alerts } = restored(partition).apply({ kind: "tick", storedAtUs: 30 * SECOND });
  expect(windows.map(({ labels, aggregates }) => [labels, aggregates.avg])).toEqual([
    [{ device: "meter", metric: "power", phase: "L1", site: "north" }, 0],
    [{ device: "meter", metric: "power", phase: "L2", site: "north" }, 3],
    [{ device: "meter", metric: "power", phase: "L3", site: "north" }, 6],
    [{ device: "meter", metric: "power" }, 60],
  ]);
  expect(alerts.map(({ key }) => key.phase)).toEqual(["L3", undefined]);
  expect(new Set(alerts.map(({ incident }) => incident)).size).toBe(2);
});

test("a condition over several series joins those of one device with the same tags", () => {
  const lets = { power: { metric: "power" }, limit: { metric: "limit", aggregate: "last" } };
  const spec = rule({ id: "over", window: { tumbling: "10s" }, let: lets, when: "power > limit" });
  expect(rule({ ...spec, group_by: "series" })).toEqual(spec);
  const readings = ["L1", "L2"].flatMap((phase) => [
    power(1, 4, { phase }),
    power(1, phase === "L1" ? 3 : 5, { phase }, "limit"),
  ]);
  const partition = startPartition(spec);
  partition.apply(entry(1, ...readings));
  const { alerts } = restored(partition).apply({ kind: "tick", storedAtUs: 30 * SECOND });
  expect(alerts.map(({ key, state }) => [key, state])).toEqual([[{ device: "meter", phase: "L1" }, "firing"]]);
});

test("a list blends the series that agree in its labels, and a tag named `device` or `metric` is not a label", () => {
  const blended = startPartition(rule({ ...hot, group_by: ["device", "metric"] }));
  blended.apply(entry(1, ...phases));
  const { windows } = blended.apply({ kind: "tick", storedAtUs: 30 * SECOND });
  expect(windows).toMatchObject([{ labels: { device: "meter", metric: "power" }, aggregates: { avg: 3 } }]);
  const partition = startPartition(rule(hot));
  partition.apply(entry(1, power(1, 1, { device: "other", metric: "volt", room: "a" })));
  const [result] = partition.apply({ kind: "tick", storedAtUs: 30 * SECOND }).windows;
  expect(result?.labels).toEqual({ device: "meter", metric: "power", room: "a" });
});

test("a second reading with the same device, metric, tags and time is a duplicate, whatever its kind", () => {
  const partition = startPartition(
    rule({ ...hot, aggregate: ["count", "max"], when: "> 100" }),
    rule({ id: "texts", window: { tumbling: "10s" }, aggregate: "last" }),
  );
  const first = partition.apply(entry(1, power(1, 4), power(1, "fault"), power(1, true), power(2, true), power(2, 9)));
  expect(first.windows).toEqual([]);
  // The same after a restart, and under edited rules.
  const next = restored(partition);
  next.apply(entry(2, power(1, "again"), power(2, "again"), power(3, 1)));
  next.apply(entry(3, power(1, true, { phase: "L1" })));
  expect(next.step.ledger).toMatchObject({ duplicates: 5, onTime: 4 });
  const { windows } = next.apply({ kind: "tick", storedAtUs: 30 * SECOND });
  const counts = windows.filter(({ rule: id }) => id === "hot");
  expect(counts.map(({ labels, aggregates }) => [labels.phase, aggregates])).toEqual([
    [undefined, { count: 3, max: 4 }],
    ["L1", { count: 1, max: 1 }],
  ]);
});

test("a text that no rule reads is remembered, so that a number of the same time is a duplicate", () => {
  const partition = startPartition(rule(hot));
  partition.apply(entry(1, power(1, "fault"), power(1, 4), power(2, 6)));
  expect(partition.step.ledger).toMatchObject({ duplicates: 1, onTime: 1 });
  const { windows } = restored(partition).apply({ kind: "tick", storedAtUs: 30 * SECOND });
  expect(windows).toMatchObject([{ aggregates: { avg: 6 } }]);
});

test("ledgers are kept by device and tags", () => {
  const partition = startPartition(rule(hot));
  partition.apply(entry(1, power(1, 1, { phase: "L1" }), power(1, 2, { phase: "L2" }), power(1, 3, { phase: "L2" })));
  const { ledgers } = restored(partition).step;
  expect(ledgers.of("meter{phase=L1}")).toMatchObject({ onTime: 1, duplicates: 0 });
  expect(ledgers.of("meter{phase=L2}")).toMatchObject({ onTime: 1, duplicates: 1 });
  expect(ledgers.of("meter")).toBeUndefined();
});

test("when the default of `group_by` changes, alerts of series without tags continue, and those with tags end", () => {
  const old = { group_by: ["device", "metric"] };
  const partition = startPartition(rule({ ...hot, ...old }), rule({ id: "silent", ...old, absent: "5s" }));
  const tags = { site: "s" };
  partition.apply(entry(1, power(1, 9), power(1, 9, tags), power(1, 9, tags, "volt")));
  const fired = partition.apply({ kind: "tick", storedAtUs: 12 * SECOND }).alerts;
  expect(fired.map(({ rule: id, state, key }) => `${id} ${state} ${key.metric}`).sort()).toEqual([
    "hot firing power",
    "silent firing power",
    "silent firing volt",
  ]);
  const specs = [rule(hot), rule({ id: "silent", absent: "5s" })];
  const edited = partition.apply({ kind: "rules", storedAtUs: 13 * SECOND, specs }).alerts;
  // `meter power` has a series without tags, `meter volt` has none.
  expect(edited.map(({ rule: id, state, key }) => `${id} ${state} ${key.metric}`)).toEqual(["silent resolved volt"]);
  const cool = partition.apply(entry(14, power(14, 1), power(25, 1))).alerts;
  const isOfOld = (incident: string) => fired.some((one) => one.incident === incident);
  expect(cool.map(({ rule: id, state, incident }) => [id, state, isOfOld(incident)])).toEqual([
    ["silent", "resolved", true],
    ["hot", "resolved", true],
  ]);
});

test("a step knows which rules compute several series of one device as one", () => {
  const window = { window: { tumbling: "10s" } };
  const partition = startPartition(
    rule({ id: "blends", group_by: ["device", "metric"], ...window }),
    rule({ id: "alike", group_by: ["metric", "device"], ...window, when: "> 8" }),
    rule({ id: "apart", ...window }),
    rule({ id: "listed", group_by: ["device", "metric", "phase", "site"], ...window }),
    rule({ id: "silent", group_by: ["device"], absent: "5m" }),
    rule({ id: "site", group_by: ["site"], ...window }),
  );
  partition.apply(entry(1, ...phases.slice(0, 1), power(2, 1, { phase: "L1", site: "north" }, "volt")));
  expect([...partition.step.found.blends]).toEqual([]);
  partition.apply(entry(2, ...phases));
  const blend = { device: "meter", metric: "power", tags: ["phase"] };
  expect([...partition.step.found.blends]).toEqual([
    ["blends", blend],
    ["alike", blend],
  ]);
});

test("a checkpoint of version 0.1 continues: no alert is repeated, none is lost", () => {
  const file = new URL("./state/testdata/snapshot-0.1.json.gz", import.meta.url);
  const fixture: Fixture = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
  const partition = new TestPartition(fixture.sequence);
  partition.step.restore(deserialize(Buffer.from(fixture.snapshot, "base64")));
  const { windows, alerts } = partition.applyAll(fixture.after);
  const { windows: expectedWindows, alerts: expectedAlerts } = fixture;
  // A newer version may say more about a change.
  expect(JSON.parse(JSON.stringify({ windows, alerts }))).toMatchObject({
    windows: expectedWindows,
    alerts: expectedAlerts,
  });
});
