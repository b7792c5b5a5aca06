import { expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import type { Reading } from "../../domain/reading.ts";
import { Step } from "../../engine/step.ts";
import { encodeEntry, rule, type TestEntry } from "../../engine/testing/step-kit.ts";
import { DecidingWindow } from "./deciding-window.ts";
import { explainIncident } from "./incident.ts";

const READINGS = 200_000;
const PER_ENTRY = 2_000;
const EVERY_US = 10_000;
const SECOND = 1e6;
const BEGIN_US = 86_400 * SECOND;

interface Frame {
  readonly storedAtUs: number;
  readonly payload: Uint8Array;
}

function frameOf(entry: TestEntry): Frame {
  return { storedAtUs: entry.storedAtUs, payload: encodeEntry(entry) };
}

/** Readings every 10 ms for 2,000 s; the value is 0 until the last reading, which raises it to 1. */
const readingFrames = Array.from({ length: READINGS / PER_ENTRY }, (_, frame) => {
  const readings = Array.from({ length: PER_ENTRY }, (__, i): Reading => {
    const place = frame * PER_ENTRY + i;
    const value = place === READINGS - 1 ? 1 : 0;
    return { device: "d", metric: "m", tags: {}, atUs: BEGIN_US + place * EVERY_US, value };
  });
  return frameOf({ kind: "readings", storedAtUs: readings.at(-1)?.atUs ?? 0, readings });
});

/** The first change to firing, explained. */
function explained(frames: readonly Frame[]) {
  const changes: AlertChange[] = [];
  const table = new SeriesTable();
  const step = new Step(table);
  play(frames, table, (entry, position) => changes.push(...step.apply(entry, position).alerts));
  const change = changes.find(({ state }) => state === "firing");
  if (change === undefined) throw new Error("the alert does not fire");
  const own = new SeriesTable();
  const { parts = [undefined] } = change.evidence;
  const windows = parts.map((part) => new DecidingWindow(change, own, undefined, part));
  play(frames, own, (entry, position) => {
    for (const window of windows) window.take(entry, position);
  });
  return explainIncident(windows, []).steps[0];
}

function play(frames: readonly Frame[], table: SeriesTable, take: (...given: Parameters<Step["apply"]>) => void) {
  const reader = new FrameReader(table);
  for (const [i, { payload, storedAtUs }] of frames.entries())
    take(reader.read(payload), { task: 0, sequence: i + 1, storedAtUs });
}

const hour = { window: { tumbling: "1h" } };

test.each([
  ["the minimum of a tumbling window", { ...hour, aggregate: "min", when: ">= 0" }, READINGS],
  ["the maximum of a tumbling window", { ...hour, aggregate: "max", when: "> 0" }, READINGS],
  ["the range of a tumbling window", { ...hour, aggregate: "range", when: "> 0" }, READINGS],
  ["the seconds in a state", { ...hour, aggregate: "duration(0)", when: "> 0" }, READINGS],
  ["a hopping window", { window: { hopping: "1h", every: "30m" }, aggregate: "max", when: "> 0" }, READINGS],
  // A key keeps at most 50,000 times of sliding windows.
  ["a sliding window of a log", { window: { sliding: "100s" }, aggregate: "max", when: "> 0" }, 10_000],
  ["a session", { window: { session: "1s" }, aggregate: "range", when: "> 0" }, READINGS],
  ["a count window", { window: { count: 100_000 }, aggregate: "max", when: "> 0" }, 100_000],
])(
  "%s with 200,000 readings is explained",
  (_what, fields, readingsInAll) => {
    const specs = [rule({ id: "large", where: { metric: "m" }, ...fields })];
    const step = explained([
      frameOf({ kind: "rules", storedAtUs: BEGIN_US, specs }),
      ...readingFrames,
      frameOf({ kind: "tick", storedAtUs: BEGIN_US + 2 * READINGS * EVERY_US }),
    ]);
    expect(step).toMatchObject({ agrees: true, readingsInAll, recomputed: step?.value });
  },
  60_000,
);

test("200,000 late readings of one series, which wait for another series, are explained", () => {
  const lets = { a: { metric: "m", aggregate: "count" }, b: { metric: "n", aggregate: "count" } };
  const specs = [rule({ id: "late", window: { tumbling: "1h" }, let: lets, when: "a > 0 && b > 0" })];
  const at = (second: number, metric: string): Reading => {
    return { device: "d", metric, tags: {}, atUs: BEGIN_US + second * SECOND, value: 1 };
  };
  const entry = (second: number, ...readings: Reading[]): Frame =>
    frameOf({ kind: "readings", storedAtUs: BEGIN_US + second * SECOND, readings });
  const late = readingFrames.map(({ payload }) => ({ payload, storedAtUs: BEGIN_US + 3_701 * SECOND }));
  const step = explained([
    frameOf({ kind: "rules", storedAtUs: BEGIN_US, specs }),
    entry(1, at(0.001, "m")),
    entry(3_700, at(3_700, "m")),
    ...late,
    entry(3_710, at(5, "n")),
    entry(3_711, at(3_700, "n")),
  ]);
  expect(step).toMatchObject({ agrees: true, value: READINGS + 1, readingsInAll: READINGS + 2 });
}, 60_000);
