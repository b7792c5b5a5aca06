import type { ReadingValue } from "../../domain/reading.ts";
import { TestPartition } from "../../engine/testing/step-kit.ts";
import { type Case, caseOf } from "./cases.ts";
import { type PlainWindow, plainWindows } from "./plain.ts";

const ROUNDING = 1e-9;
/** Beyond this many readings, quantiles are estimated: with this error, of the value and of the range. */
const QUANTILE_EXACT_MAX = 64;
const QUANTILE_ERROR = 0.0101;
const FRAME_READINGS = 50;

export interface Checked {
  readonly kind: string;
  readonly windows: number;
  /** Undefined if all windows are right. */
  readonly difference: string | undefined;
}

/** Computes a case with the engine, and compares the last revision of each window with the plain computation. */
export function check(seed: number): Checked {
  const one = caseOf(seed);
  const actual = lastRevisions(one);
  const expected = plainWindows(one.spec, one.readings);
  const done = { kind: one.kind, windows: expected.length };
  const fail = (what: string) => ({ ...done, difference: `${JSON.stringify(one.spec)}\n${what}` });
  for (const window of expected) {
    const span = `${window.startUs} ${window.endUs}`;
    const values = actual.get(span);
    if (values === undefined) return fail(`no window ${span}`);
    for (const [name, value] of Object.entries(window.aggregates)) {
      if (!agrees(name, values[name], value, window))
        return fail(`window ${span}, ${window.readings.length} readings: ${name} is ${values[name]}, not ${value}`);
    }
    actual.delete(span);
  }
  // Filling continues until the end of the log.
  if (one.kind !== "filled" && actual.size > 0) return fail(`a window too many: ${[...actual.keys()][0]}`);
  return { ...done, difference: undefined };
}

function lastRevisions({ spec, readings }: Case): Map<string, Readonly<Record<string, ReadingValue>>> {
  const partition = new TestPartition();
  const results = [...partition.apply({ kind: "rules", storedAtUs: 1, specs: [spec] }).windows];
  let storedAtUs = 1;
  for (let i = 0; i < readings.length; i += FRAME_READINGS) {
    // Soon after one another, so that no window closes by idleness.
    storedAtUs += 1;
    const frame = readings.slice(i, i + FRAME_READINGS);
    results.push(...partition.apply({ kind: "readings", storedAtUs, readings: frame }).windows);
  }
  results.push(...partition.apply({ kind: "tick", storedAtUs: storedAtUs + 3_600_000_000 }).windows);
  const last = new Map<
    string,
    { readonly revision: number; readonly values: Readonly<Record<string, ReadingValue>> }
  >();
  const ends = new Map<number, number>();
  for (const { startUs, endUs, revision, aggregates } of results) {
    // A session that grew or was merged has another end with each revision.
    if (spec.window?.session !== undefined) last.delete(`${startUs} ${ends.get(startUs)}`);
    ends.set(startUs, endUs);
    if (endUs > startUs) last.set(`${startUs} ${endUs}`, { revision, values: aggregates });
  }
  return new Map([...last].map(([span, { values }]) => [span, values]));
}

function agrees(name: string, actual: ReadingValue | undefined, expected: ReadingValue, window: PlainWindow): boolean {
  if (typeof actual !== "number" || typeof expected !== "number") return actual === expected;
  if (Object.is(actual, expected) || actual === expected) return true;
  const values = [...window.readings, ...(window.before === undefined ? [] : [window.before])].map(({ value }) =>
    Number(value),
  );
  const greatest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (/^(?:median|p[\d.]+)$/.test(name) && window.readings.length > QUANTILE_EXACT_MAX) {
    const inside = window.readings.map(({ value }) => Number(value)).sort((a, b) => a - b);
    return isNear(actual, Number(/[\d.]+/.exec(name) ?? 50), inside);
  }
  const scale =
    name === "variance" ? greatest ** 2 : name === "stddev" ? greatest : Math.max(greatest, Math.abs(expected));
  const seconds = (window.endUs - window.startUs) / 1e6;
  const most = /^(?:sum|integral|increase)/.test(name) ? scale * Math.max(values.length, seconds) : scale;
  return Math.abs(actual - expected) <= ROUNDING * most;
}

/** Interpolates between the two order statistics, each of which may be off. */
function isNear(actual: number, percent: number, sorted: readonly number[]): boolean {
  const place = (percent / 100) * (sorted.length - 1);
  const [low = 0, high = 0] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  const expected = low + (high - low) * (place - Math.floor(place));
  const range = (sorted.at(-1) ?? 0) - (sorted[0] ?? 0);
  const error = QUANTILE_ERROR * Math.min(range, Math.max(Math.abs(low), Math.abs(high)));
  return Math.abs(actual - expected) <= error + ROUNDING * Math.abs(expected);
}
