import { readFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Reading, ReadingValue } from "../../domain/reading.ts";
import { reading, rule, type TestEntry, TestPartition } from "../testing/step-kit.ts";

const SECOND = 1e6;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const T = 1.7e15;

const gate = {
  id: "gate-open",
  where: { metric: "gate" },
  window: { tumbling: "10s" },
  aggregate: "last",
  fill: "last",
  when: "== open",
  for: "5m",
};

function gateAt(atUs: number, value: ReadingValue): Reading {
  return { device: "g", metric: "gate", tags: {}, atUs: T + atUs, value };
}

function started(fields: Readonly<Record<string, unknown>>): TestPartition {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: T, specs: [rule(fields)] });
  return partition;
}

function came(atUs: number, ...readings: Reading[]): TestEntry {
  return { kind: "readings", storedAtUs: T + atUs, readings };
}

/** Ticks each ten seconds, as a quiet log gets them. */
function ticks(fromUs: number, toUs: number): TestEntry[] {
  const all: TestEntry[] = [];
  for (let atUs = fromUs; atUs <= toUs; atUs += 10 * SECOND) all.push({ kind: "tick", storedAtUs: T + atUs });
  return all;
}

describe("a gate that opens at 2:00, and whose message takes 40 s", () => {
  const entries = [
    came(0, gateAt(0, "closed")),
    ...ticks(10 * SECOND, 160 * SECOND),
    came(160 * SECOND, gateAt(2 * MINUTE, "open")),
    ...ticks(170 * SECOND, 10 * MINUTE),
  ];

  test("is open for five minutes five minutes after it opened", () => {
    const partition = started(gate);
    const { alerts } = partition.applyAll(entries);
    expect(alerts.map(({ state, atUs, activeAtUs }) => [state, atUs - T, activeAtUs - T])).toEqual([
      ["pending", 130 * SECOND, 130 * SECOND],
      ["firing", 430 * SECOND, 130 * SECOND],
    ]);
    expect(partition.step.ledger).toMatchObject({ onTime: 2, lateApplied: 0, lateDropped: 0 });
  });

  test("corrects the windows that were made up meanwhile, `duration` included", () => {
    const { windows } = started({ ...gate, aggregate: ["last", "duration(open)"] }).applyAll(entries);
    const corrected = windows.filter(({ revision }) => revision > 0);
    expect(corrected.map(({ endUs, aggregates }) => [(endUs - T) / SECOND, ...Object.values(aggregates)])).toEqual([
      [130, "open", 10],
      [140, "open", 10],
      [150, "open", 10],
      [160, "open", 10],
    ]);
  });

  test("that closes again meanwhile is not open for five minutes", () => {
    const closed = came(6 * MINUTE, gateAt(4 * MINUTE, "closed"));
    const before = entries.filter(({ storedAtUs }) => storedAtUs < T + 6 * MINUTE);
    const { alerts } = started(gate).applyAll([...before, closed, ...ticks(6 * MINUTE, 12 * MINUTE)]);
    expect(alerts.map(({ state, atUs }) => [state, (atUs - T) / SECOND])).toEqual([
      ["pending", 130],
      ["inactive", 250],
    ]);
  });

  test("the same whether the step ran through or was restored at any entry", () => {
    const whole = started(gate).applyAll(entries);
    for (let cut = 0; cut < entries.length; cut += 7) {
      const first = started(gate);
      const before = first.applyAll(entries.slice(0, cut));
      const second = new TestPartition(first.sequence);
      second.step.restore(deserialize(serialize([...first.step.snapshot()])));
      const after = second.applyAll(entries.slice(cut));
      expect([...before.windows, ...after.windows]).toEqual(whole.windows);
      expect([...before.alerts, ...after.alerts]).toEqual(whole.alerts);
    }
  });

  test("a reading in a made-up window is not late, with `late: drop` either", () => {
    const partition = started({ ...gate, late: "drop" });
    expect(partition.applyAll(entries).alerts.map(({ state }) => state)).toEqual(["pending", "firing"]);
    expect(partition.step.ledger).toMatchObject({ onTime: 2, lateDropped: 0 });
  });
});

describe("filling", () => {
  test("a night of one key emits at most 10,000 windows in one step", () => {
    const partition = started({ ...gate, window: { tumbling: "1s" } });
    partition.apply(came(0, gateAt(0, "closed")));
    const { windows } = partition.apply(came(36_000 * SECOND, gateAt(36_000 * SECOND, "closed")));
    expect(windows.length).toBeLessThanOrEqual(10_001);
    expect(windows.at(-1)?.endUs).toBe(T + 36_000 * SECOND);
  });

  test("a reading of a night ago corrects at most 10,000 made-up windows", () => {
    const partition = started({ ...gate, window: { tumbling: "1s" } });
    partition.applyAll([came(0, gateAt(0, "closed")), ...ticks(10 * SECOND, 36_000 * SECOND)]);
    const { windows } = partition.applyAll([
      came(36_000 * SECOND, gateAt(60 * SECOND, "open")),
      { kind: "tick", storedAtUs: T + 36_001 * SECOND },
    ]);
    // The reading's own window, the newest of those after it, and the one that idleness fills in the last second.
    expect(windows.length).toBeLessThanOrEqual(10_002);
    expect(windows[0]).toMatchObject({ endUs: T + 61 * SECOND, revision: 1, aggregates: { last: "open" } });
  });

  test.each([
    ["a day by default", {}, DAY],
    ["for as long as the rule says", { fill_for: "1h" }, 3600 * SECOND],
  ])("ends %s after the newest reading", (_how, fields, forUs) => {
    const partition = started({ ...gate, ...fields });
    const { windows } = partition.applyAll([came(0, gateAt(0, "closed")), ...ticks(3600 * SECOND, 3 * DAY)]);
    expect(windows.at(-1)?.endUs).toBe(T + forUs);
    expect(windows.length).toBe(Math.min(10_000, forUs / (10 * SECOND)));
    // A reading begins it again.
    const again = partition.applyAll([
      came(3 * DAY + 5 * SECOND, gateAt(3 * DAY, "open")),
      ...ticks(3 * DAY + 10 * SECOND, 3 * DAY + 40 * SECOND),
    ]);
    expect(again.windows.map(({ endUs }) => (endUs - T - 3 * DAY) / SECOND)).toEqual([10, 20, 30]);
  });
});

interface OldState {
  readonly sequence: number;
  readonly emitted: readonly (readonly [string, string, number, number])[];
  readonly state: string;
}

describe("a state of version 0.1, in which filled windows were kept like others", () => {
  const file = gunzipSync(readFileSync(new URL("./testdata/old-filled.json.gz", import.meta.url))).toString("utf8");
  const old: OldState = JSON.parse(file);
  const restored = () => {
    const partition = new TestPartition(old.sequence);
    partition.step.restore(deserialize(Buffer.from(old.state, "base64")));
    return partition;
  };

  test("goes on: no window is repeated with the same revision, and none is left out", () => {
    const { windows } = restored().applyAll([
      { kind: "readings", storedAtUs: T + 130 * SECOND, readings: [reading("a", T + 130 * SECOND, 9)] },
      ...ticks(140 * SECOND, 200 * SECOND),
    ]);
    const later = windows.map(({ rule: id, labels, endUs, revision }) => {
      return [id, labels.device, (endUs - T) / SECOND, revision] as const;
    });
    const all = [...old.emitted, ...later].map((each) => each.join(" "));
    expect(new Set(all).size).toBe(all.length);
    for (const id of ["gate", "busy"]) {
      for (const device of ["a", "b"]) {
        const of = [...old.emitted, ...later].filter((each) => each[0] === id && each[1] === device && each[3] === 0);
        const ends = of.map(([, , end]) => end);
        const step = id === "gate" ? 10 : 20;
        expect(ends).toEqual(Array.from(ends, (_, i) => (ends[0] ?? 0) + i * step));
      }
    }
    expect(later.length).toBeGreaterThan(30);
  });

  test("corrects what idleness had made up", () => {
    const { windows } = restored().applyAll([
      { kind: "readings", storedAtUs: T + 101.6 * SECOND, readings: [reading("b", T + 75 * SECOND, 5)] },
      { kind: "tick", storedAtUs: T + 103 * SECOND },
    ]);
    const corrected = windows.filter(({ labels, rule: id }) => labels.device === "b" && id === "gate");
    expect(
      corrected.map(({ endUs, revision, aggregates }) => [(endUs - T) / SECOND, revision, aggregates.last]),
    ).toEqual([
      [80, 1, 5],
      [90, 1, 5],
    ]);
  });
});
