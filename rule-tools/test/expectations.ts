import type { AlertChange, AlertState } from "../../domain/alert.ts";
import { keyName } from "../../domain/alert-ids.ts";
import type { Tags } from "../../domain/reading.ts";
import { formatDurationUs, formatInstantUs } from "../../domain/time.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import {
  EXPECTATION_FIELDS,
  type Expectation,
  labelsOf,
  type TestCase,
  WINDOW_EXPECTATION_FIELDS,
  type WindowExpectation,
} from "./format.ts";
import type { Played } from "./play.ts";
import { toUs } from "./schedule.ts";

/** A result that differs from the expected one. */
export interface Failure {
  readonly kind: "state" | "unexpected" | "window";
  readonly message: string;
  /** The path of the expectation in the test; undefined for a change without an expectation. */
  readonly path: readonly (string | number)[] | undefined;
  readonly rule: string;
  /** The alert's group, if there is one. */
  readonly key: Tags | undefined;
  readonly atUs: number;
  readonly expected: string;
  readonly actual: string;
}

/** The changes of one alert, in order. */
interface AlertHistory {
  readonly rule: string;
  readonly key: Tags;
  readonly changes: readonly { readonly emittedUs: number; readonly change: AlertChange }[];
}

/** Compares the expectations of a test with its results. */
export function checkExpectations(test: TestCase, played: Played): Failure[] {
  const histories = historiesOf(played);
  const states = test.expect.flatMap((expectation, i) => checkState(test, expectation, i, histories));
  // Other checks of an alert in a wrong state would mostly repeat the same failure.
  const wrong = new Set(states.map(({ rule, key }) => `${rule} ${keyName(key ?? {})}`));
  const others = histories.filter(({ rule, key }) => !wrong.has(`${rule} ${keyName(key)}`));
  return [
    ...states,
    ...test.expect_windows.flatMap((expectation, i) => checkWindow(test, expectation, i, played)),
    ...(test.exhaustive ? unexpected(test, others) : []),
  ].sort((a, b) => a.atUs - b.atUs);
}

export function historiesOf({ changes }: Played): AlertHistory[] {
  const histories = new Map<string, { rule: string; key: Tags; changes: Played["changes"][number][] }>();
  for (const emitted of changes) {
    const { rule, key } = emitted.change;
    const name = `${rule}\u0000${keyName(key)}`;
    const known = histories.get(name);
    if (known) known.changes.push(emitted);
    else histories.set(name, { rule, key, changes: [emitted] });
  }
  return [...histories.values()];
}

/** The state after all changes up to an instant. A resolved alert is also inactive. */
function stateAt({ changes }: AlertHistory, atUs: number): { state: AlertState; change: AlertChange | undefined } {
  const newest = changes.findLast(({ emittedUs }) => emittedUs <= atUs)?.change;
  return { state: newest?.state ?? "inactive", change: newest };
}

function checkState(
  test: TestCase,
  expectation: Expectation,
  i: number,
  histories: readonly AlertHistory[],
): Failure[] {
  const atUs = toUs(expectation.at, test.start);
  const { rule, state } = expectation;
  const labels = labelsOf(expectation, EXPECTATION_FIELDS);
  const fitting = histories.filter((history) => history.rule === rule && fits(history.key, labels));
  const base = { kind: "state" as const, path: ["expect", i], rule, atUs };
  const failures: Failure[] = [];
  if (fitting.length === 0 && state !== "inactive") {
    const others = histories.filter((history) => history.rule === rule).map(({ key }) => textOf(key));
    const groups = others.length === 0 ? "it stayed inactive for every group" : `only for ${others.join(", ")}`;
    const message = `${nameOf(rule, labels)} is never ${state}: ${groups}`;
    failures.push({ ...base, key: undefined, message, expected: state, actual: "inactive" });
  }
  for (const history of fitting) {
    const { state: actual, change } = stateAt(history, atUs);
    const { key } = history;
    if (!isState(actual, state)) {
      const since = change === undefined ? "" : ` since ${offset(change.atUs, test.start)}`;
      const message = `${nameOf(rule, key)} at ${offset(atUs, test.start)}: expected ${state}, is ${actual}${since}`;
      failures.push({ ...base, key, message, expected: state, actual });
    } else if (expectation.severity !== undefined && change?.severity !== expectation.severity) {
      const [expected, actual] = [expectation.severity, change?.severity ?? "nothing"];
      const message = `${nameOf(rule, key)} at ${offset(atUs, test.start)}: expected severity ${expected}, is ${actual}`;
      failures.push({ ...base, key, message, expected, actual });
    } else if (expectation.value !== undefined && !isNear(change?.value, expectation.value, expectation.tolerance)) {
      const [expected, actual] = [String(expectation.value), String(change?.value ?? "nothing")];
      const message = `${nameOf(rule, key)} at ${offset(atUs, test.start)}: expected value ${expected}, is ${actual}`;
      failures.push({ ...base, key, message, expected, actual });
    }
  }
  return failures;
}

function isState(actual: AlertState, wanted: AlertState): boolean {
  return actual === wanted || (wanted === "inactive" && actual === "resolved");
}

/**
 * Changes to firing and resolved that no expectation explains. Between two expectations, an alert may take the
 * shortest path from one to the other. After the last, it must not change. Pending alerts are ignored.
 */
function unexpected(test: TestCase, histories: readonly AlertHistory[]): Failure[] {
  const failures: Failure[] = [];
  for (const { rule, key, changes } of histories) {
    const expected = test.expect
      .filter((expectation) => expectation.rule === rule && fits(key, labelsOf(expectation, EXPECTATION_FIELDS)))
      .map(({ at, state }) => ({ atUs: toUs(at, test.start), isFiring: state === "firing" }))
      .sort((a, b) => a.atUs - b.atUs);
    let isFiring = false;
    let place = 0;
    let left = 0;
    let wasFiring = false;
    // A change that only marks the alert as flapping does not change its state.
    const notified = changes.filter(
      ({ change: { from, state } }) => from !== state && (state === "firing" || state === "resolved"),
    );
    for (const { emittedUs, change } of notified) {
      while (place < expected.length && (expected[place]?.atUs ?? 0) < emittedUs) {
        wasFiring = isFiring;
        place++;
        left = 0;
      }
      const goal = expected[place];
      const needed = goal !== undefined && goal.isFiring !== wasFiring ? 1 : 0;
      isFiring = change.state === "firing";
      left++;
      if (left <= needed) continue;
      const message = `${nameOf(rule, key)} at ${offset(emittedUs, test.start)}: is ${change.state} (value ${change.value}), which is not expected`;
      failures.push({
        kind: "unexpected",
        path: undefined,
        rule,
        key,
        atUs: emittedUs,
        message,
        expected: isFiring ? "inactive" : "firing",
        actual: change.state,
      });
    }
  }
  return failures;
}

function checkWindow(test: TestCase, expectation: WindowExpectation, i: number, played: Played): Failure[] {
  const { rule, start, end, at, none, revision, values = {}, tolerance } = expectation;
  const endUs = toUs(end, test.start);
  const atUs = at === undefined ? Number.POSITIVE_INFINITY : toUs(at, test.start);
  const startUs = start === undefined ? undefined : toUs(start, test.start);
  const labels = labelsOf(expectation, WINDOW_EXPECTATION_FIELDS);
  const ofRule = played.windows.filter(
    ({ emittedUs, result }) => emittedUs <= atUs && result.rule === rule && fits(result.labels, labels),
  );
  const newest = new Map<string, WindowResult>();
  for (const { result } of ofRule) {
    const isMeant = startUs === undefined || result.startUs === startUs;
    if (isMeant && result.endUs === endUs) newest.set(`${keyName(result.labels)} ${result.startUs}`, result);
  }
  const results = [...newest.values()].filter(({ aggregates }) => Object.keys(aggregates).length > 0);
  const name = `window of ${nameOf(rule, labels)} that ends at ${offset(endUs, test.start)}`;
  const fail = (expected: string, actual: string, key?: Tags): Failure => ({
    ...{ kind: "window", path: ["expect_windows", i], rule, key, atUs: endUs, expected, actual },
    message: `${name}: expected ${expected}, ${actual}`,
  });
  if (none) return results.map((result) => fail("none", `found one with ${valuesText(result)}`, result.labels));
  if (results.length === 0) {
    const ends = [...new Set(ofRule.map(({ result }) => offset(result.endUs, test.start)))];
    return [fail("one", ends.length === 0 ? "the rule emitted no window" : `windows end at ${some(ends)}`)];
  }
  return results.flatMap((result) => {
    const failures: Failure[] = [];
    for (const [aggregate, wanted] of Object.entries(values)) {
      const actual = result.aggregates[aggregate];
      if (!isNear(actual, wanted, tolerance))
        failures.push(fail(`${aggregate} ${wanted}`, `is ${actual ?? "not computed"}`, result.labels));
    }
    if (revision !== undefined && result.revision !== revision) {
      failures.push(fail(`revision ${revision}`, `is ${result.revision}`, result.labels));
    }
    return failures;
  });
}

function valuesText({ aggregates }: WindowResult): string {
  return Object.entries(aggregates)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function some(texts: readonly string[]): string {
  return texts.length <= 6 ? texts.join(", ") : `${texts.slice(0, 6).join(", ")} and ${texts.length - 6} more`;
}

function isNear(actual: number | string | undefined, wanted: number | string, tolerance?: number): boolean {
  if (typeof actual !== "number" || typeof wanted !== "number") return actual === wanted;
  return Math.abs(actual - wanted) <= (tolerance ?? 1e-6 * Math.max(1, Math.abs(wanted)));
}

function fits(key: Tags, labels: Tags): boolean {
  return Object.entries(labels).every(([name, text]) => key[name] === text);
}

export function textOf(labels: Tags): string {
  return `{${Object.entries(labels)
    .map(([name, text]) => `${name}=${text}`)
    .join(", ")}}`;
}

function nameOf(rule: string, labels: Tags): string {
  return Object.keys(labels).length === 0 ? rule : `${rule} ${textOf(labels)}`;
}

/** A time relative to the start of the test. */
export function offset(atUs: number, startUs: number): string {
  return atUs < startUs ? formatInstantUs(atUs) : formatDurationUs(atUs - startUs);
}
