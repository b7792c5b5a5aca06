import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeWindows } from "../../domain/windows-codec.ts";
import type { StepOutput } from "../../engine/step.ts";
import { reading, rule, type TestEntry, TestPartition } from "../../engine/testing/step-kit.ts";
import {
  absencesFor,
  DISORDERS,
  type Disorder,
  editedLogs,
  letRules,
  logsFor,
  restlessLogs,
  restlessRules,
  rulesFor,
  WINDOWS,
} from "./cases.ts";
import { firstDifference } from "./oracle/compare.ts";
import type { DeviceLedger } from "./oracle/model.ts";
import { oracleOutputs } from "./oracle/oracle.ts";
import { scenarioOf } from "./scenario.ts";
import { stepDifference } from "./step-fold.ts";
import { BEGIN_US } from "./vocabulary.ts";

const RUNS = 60;
const KINDS = Object.keys(WINDOWS);
const LET = "several series";
const ABSENCES = "absences";
const RESTLESS = "alerts that fire and end repeatedly";
const disorders = Object.keys(DISORDERS) as Disorder[];

/** A rule with a log to process under it. */
function cases(window: string, disorder: Disorder): fc.Arbitrary<TestEntry[]> {
  if (window === LET) return letRules().chain((spec) => logsFor(spec, disorder, false));
  if (window === RESTLESS) return restlessRules().chain(restlessLogs);
  if (window === ABSENCES) return absencesFor().chain((spec) => logsFor(spec, disorder, false));
  return fc.boolean().chain((texts) => rulesFor(window, texts).chain((spec) => logsFor(spec, disorder, texts)));
}

function anyCase(): fc.Arbitrary<TestEntry[]> {
  return fc
    .tuple(fc.constantFrom(...KINDS, LET, LET, ABSENCES, RESTLESS, RESTLESS), fc.constantFrom(...disorders))
    .chain(([window, disorder]) => cases(window, disorder));
}

describe.each([...KINDS, LET])("%s windows", (window) => {
  test.each(disorders)("the step agrees with brute force: readings %s", (disorder) => {
    fc.assert(
      fc.property(cases(window, disorder), (entries) => {
        const partition = new TestPartition();
        const output = partition.applyAll(entries);
        const outputs = oracleOutputs(entries);
        expect(firstDifference(output, outputs)).toBeUndefined();
        expect(ledgerOf(partition)).toEqual(expectedLedger(outputs.ledger.values()));
      }),
      { numRuns: RUNS },
    );
  });
});

test.each(disorders)("absences, with unwatched pauses: readings %s", (disorder) => {
  fc.assert(
    fc.property(cases(ABSENCES, disorder), (entries) => {
      expect(firstDifference(new TestPartition().applyAll(entries), oracleOutputs(entries))).toBeUndefined();
    }),
    { numRuns: RUNS },
  );
});

const anyRule = fc.oneof(letRules(), restlessRules(), rulesFor("tumbling", false), absencesFor());

test.each([
  ["alerts that fire and end repeatedly", restlessRules().chain(restlessLogs)],
  [
    "alerts that fire and end repeatedly, edited",
    restlessRules().chain((spec) => editedLogs(restlessLogs(spec), restlessRules())),
  ],
  ["several series, edited", letRules().chain((spec) => editedLogs(logsFor(spec, "late beyond", false), letRules()))],
  ["any rule edited into any other", anyRule.chain((spec) => editedLogs(restlessLogs(spec), anyRule))],
] as const)("%s", (_what, logs) => {
  fc.assert(
    fc.property(logs, (entries) => {
      expect(firstDifference(new TestPartition().applyAll(entries), oracleOutputs(entries))).toBeUndefined();
    }),
    { numRuns: 3 * RUNS },
  );
});

test("counting starts again after a flapping alert has ended", () => {
  const flapping = { changes: 3, within: "20s" };
  const spec = rule({ id: "r", window: { tumbling: "5s" }, aggregate: "last", when: "> 0", flapping });
  const entries: TestEntry[] = [{ kind: "rules", storedAtUs: 1, specs: [spec] }];
  for (const [i, value] of [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0].entries()) {
    const atUs = (5 * i + 1) * 1e6;
    entries.push({ kind: "readings", storedAtUs: atUs, readings: [reading("d", atUs, value)] });
  }
  expect(firstDifference(new TestPartition().applyAll(entries), oracleOutputs(entries))).toBeUndefined();
});

// The seconds of silence before the edit, and the second of the next reading.
test.each([
  ["exactly due, and a reading at once", 4, 4],
  ["overdue, and a reading at once", 5, 5],
  ["overdue, and a reading later", 5, 6],
  ["overdue, then an unwatched time", 5, 50],
])("an absence that an edit makes overdue is due at the edit: %s", (_what, editS, readingS) => {
  const at = (second: number) => BEGIN_US + second * 1e6;
  const specs = [rule({ id: "r", absent: "9s" }), rule({ id: "r", absent: "4s" })];
  const entries: TestEntry[] = [
    { kind: "rules", storedAtUs: at(0), specs: specs.slice(0, 1) },
    { kind: "readings", storedAtUs: at(0), readings: [reading("d", at(0), 1)] },
    { kind: "rules", storedAtUs: at(editS), specs: specs.slice(1) },
    { kind: "readings", storedAtUs: at(readingS), readings: [reading("d", at(readingS), 1)] },
  ];
  const { windows, alerts } = new TestPartition().applyAll(entries);
  expect(firstDifference({ windows, alerts }, oracleOutputs(entries))).toBeUndefined();
  expect(alerts.map(({ state, atUs }) => [state, atUs])).toEqual([
    ["firing", at(editS)],
    ["resolved", at(readingS)],
  ]);
});

test("labels that match, and labels that are excluded", () => {
  const pattern = fc.tuple(fc.constantFrom("", "", "!"), fc.constantFrom("a", "ab", "*b", "?", "a*", "*"));
  const patterns = fc.array(
    pattern.map((texts) => texts.join("")),
    { minLength: 1, maxLength: 3 },
  );
  const label = fc.constantFrom("a", "b", "ab", "bb");
  const labels = fc.record({ device: label, metric: label, tags: fc.record({ site: label }, { requiredKeys: [] }) });
  fc.assert(
    fc.property(
      fc.record({ device: patterns, metric: patterns, site: patterns }, { requiredKeys: [] }),
      fc.array(labels, { minLength: 1, maxLength: 20 }),
      (where, series) => {
        const specs = [rule({ id: "r", where, window: { count: 1 }, aggregate: "count" })];
        const readings = series.map((each, i) => ({ ...each, atUs: BEGIN_US + i * 1e6, value: 1 }));
        const entries: TestEntry[] = [
          { kind: "rules", storedAtUs: BEGIN_US, specs },
          { kind: "readings", storedAtUs: BEGIN_US, readings },
          { kind: "tick", storedAtUs: BEGIN_US + 60e6 },
        ];
        expect(firstDifference(new TestPartition().applyAll(entries), oracleOutputs(entries))).toBeUndefined();
      },
    ),
    { numRuns: 3 * RUNS },
  );
});

test("several rules at once, edited again and again", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { rules, production, departures, edits } = scenarioOf(seed);
      const [first] = production;
      const entries: TestEntry[] = [
        { kind: "rules", storedAtUs: first?.atUs ?? 0, specs: rules },
        ...production.map(({ atUs, readings }): TestEntry => ({ kind: "readings", storedAtUs: atUs, readings })),
        ...departures.map(({ atUs, devices }): TestEntry => ({ kind: "gone", storedAtUs: atUs, devices })),
        ...edits.map(({ atUs, specs }): TestEntry => ({ kind: "rules", storedAtUs: atUs, specs })),
      ];
      entries.sort((a, b) => a.storedAtUs - b.storedAtUs);
      entries.push({ kind: "tick", storedAtUs: (entries.at(-1)?.storedAtUs ?? 0) + 25_000_000 });
      // The step and the oracle of a partition both skip rules that group over devices.
      expect(stepDifference(0, entries)).toBeUndefined();
    }),
    { numRuns: 3 * RUNS },
  );
});

/** A step that has dropped old times counts a duplicate as late. */
function ledgerOf({ step }: TestPartition) {
  const { onTime, duplicates, lateDropped, lateApplied } = step.ledger;
  return { onTime, lateApplied, withoutEffect: duplicates + lateDropped };
}

function expectedLedger(devices: Iterable<DeviceLedger>) {
  const all = { onTime: 0, lateApplied: 0, withoutEffect: 0 };
  for (const { readings, duplicates, lateDropped, lateApplied } of devices) {
    all.withoutEffect += duplicates + lateDropped;
    all.lateApplied += lateApplied;
    all.onTime += readings - lateApplied - duplicates - lateDropped;
  }
  return all;
}

test("a replay gives the same output, byte for byte", () => {
  fc.assert(
    fc.property(anyCase(), (entries) => {
      const [one, two] = [new TestPartition(), new TestPartition()].map((each) => bytesOf(each.applyAll(entries)));
      expect(two).toEqual(one);
    }),
    { numRuns: RUNS },
  );
});

/** The rules as written to the log. */
function bytesOf({ windows, alerts }: Pick<StepOutput, "windows" | "alerts">) {
  const frame = { partition: 0, firstInput: 1, lastInput: 1, part: 0, parts: 1, results: windows };
  return { windows: Buffer.from(encodeWindows(frame)).toString("hex"), alerts: JSON.stringify(alerts) };
}

test("restoring a snapshot from any point continues like a single run", () => {
  fc.assert(
    fc.property(anyCase(), fc.nat(), (entries, place) => {
      const cut = place % (entries.length + 1);
      const whole = new TestPartition().applyAll(entries);
      const first = new TestPartition();
      const before = first.applyAll(entries.slice(0, cut));
      const second = new TestPartition(first.sequence);
      const values: unknown = deserialize(serialize([...first.step.snapshot()]));
      second.step.restore(Array.isArray(values) ? values : []);
      const after = second.applyAll(entries.slice(cut));
      expect([...before.windows, ...after.windows]).toEqual(whole.windows);
      expect([...before.alerts, ...after.alerts]).toEqual(whole.alerts);
    }),
    { numRuns: 2 * RUNS },
  );
});

test("cutting frames anywhere changes nothing", () => {
  fc.assert(
    fc.property(anyCase(), fc.infiniteStream(fc.boolean()), (entries, cuts) => {
      const pieces = entries.flatMap((entry) => cutEntry(entry, () => cuts.next().value === true));
      const whole = new TestPartition().applyAll(entries);
      expect(firstDifference(new TestPartition().applyAll(pieces), whole)).toBeUndefined();
    }),
    { numRuns: 2 * RUNS },
  );
});

function cutEntry(entry: TestEntry, cutHere: () => boolean): TestEntry[] {
  if (entry.kind !== "readings") return [entry];
  const pieces: (typeof entry.readings)[number][][] = [[]];
  for (const each of entry.readings) {
    if (cutHere()) pieces.push([]);
    pieces.at(-1)?.push(each);
  }
  return pieces.map((readings) => ({ ...entry, readings }));
}

test.each(KINDS)("order within the lateness changes no result: %s", (window) => {
  const samples = fc.uniqueArray(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(samples, fc.infiniteStream(fc.integer({ min: 0, max: 4_999_999 })), (halves, delays) => {
      const spec = rule({
        id: "r",
        ...WINDOWS[window],
        aggregate: ["count", "first", "last", "sum"],
        lateness: "5s",
        when: "> 3",
      });
      const inOrder = halves.map((half) => half * 500_000).sort((a, b) => a - b);
      const late = inOrder
        .map((atUs) => ({ atUs, comesUs: atUs + (delays.next().value ?? 0) }))
        .sort((a, b) => a.comesUs - b.comesUs)
        .map(({ atUs }) => atUs);
      const [one, two] = [inOrder, late].map((times) => {
        const readings = times.map((atUs) => reading("d", atUs, atUs / 500_000));
        return new TestPartition().applyAll([
          { kind: "rules", storedAtUs: 1000, specs: [spec] },
          { kind: "readings", storedAtUs: 1000, readings },
          { kind: "tick", storedAtUs: 30_000_000 },
        ]);
      });
      expect(one && two ? firstDifference(two, one) : "not run").toBeUndefined();
    }),
    { numRuns: RUNS },
  );
});

test.each([
  [0.001, 1e6],
  [49.9, 50.1],
])("quantiles of many readings from %d to %d stay within one percent; distinct counts are exact", (min, max) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min, max, noNaN: true }), { minLength: 65, maxLength: 1500 }), (values) => {
      const aggregate = ["count", "median", "p95", "p99.9", "distinct"];
      const specs = [rule({ id: "r", window: { tumbling: "1h" }, aggregate })];
      const readings = values.map((value, i) => reading("d", i * 1000, value));
      const entries: TestEntry[] = [
        { kind: "rules", storedAtUs: 1, specs },
        { kind: "readings", storedAtUs: 1, readings },
        { kind: "tick", storedAtUs: 3600e6 + 1 },
      ];
      expect(firstDifference(new TestPartition().applyAll(entries), oracleOutputs(entries))).toBeUndefined();
    }),
    { numRuns: 20 },
  );
});
