import type { FileProblem } from "../../platform/files/yaml-file.ts";
import { checkExpectations, type Failure } from "./expectations.ts";
import { type LoadedTest, loadTests } from "./load-tests.ts";
import { play } from "./play.ts";
import { scheduleOf, toUs } from "./schedule.ts";
import { timeline } from "./timeline.ts";

/** The result of one test. */
export interface TestOutcome {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly passed: boolean;
  readonly failures: readonly (Failure & { readonly line: number })[];
  /** The timelines of the alerts that failed, as lines of text. */
  readonly timelines: readonly (readonly string[])[];
  /** The numbers of inputs and outputs. */
  readonly readings: number;
  readonly changes: number;
  readonly windows: number;
  readonly tookMs: number;
}

export interface TestReport {
  readonly outcomes: readonly TestOutcome[];
  readonly files: number;
  readonly passed: number;
  readonly failed: number;
  readonly tookMs: number;
  /** Problems of the files themselves, whose tests were not run. */
  readonly problems: readonly FileProblem[];
}

/** A longer list would not be read. */
const TIMELINES_MAX = 4;

/**
 * Runs the tests of files and folders. `only`: a text that the names must contain. `nowMs`: a clock to measure
 * durations.
 */
export async function runTests(
  paths: readonly string[],
  options: { readonly nowMs: () => number; readonly only?: string | undefined },
): Promise<TestReport> {
  const { nowMs, only } = options;
  const startedMs = nowMs();
  const { tests, files, problems } = await loadTests(paths);
  const chosen = only === undefined ? tests : tests.filter(({ test }) => test.name.includes(only));
  const outcomes = chosen.map((loaded) => runTest(loaded, nowMs));
  const failed = outcomes.filter(({ passed }) => !passed).length;
  return { outcomes, files, passed: outcomes.length - failed, failed, problems, tookMs: nowMs() - startedMs };
}

export function runTest({ test, file, line, lineOf, specs, edits }: LoadedTest, nowMs: () => number): TestOutcome {
  const startedMs = nowMs();
  const actions = scheduleOf(test, edits);
  const expectedUs = [...test.expect, ...test.expect_windows].flatMap(({ at }) =>
    at === undefined ? [] : [toUs(at, test.start)],
  );
  const givenUs = test.until === undefined ? [] : [toUs(test.until, test.start)];
  const lastUs = actions.map((action) => (action.kind === "down" ? action.untilUs : action.atUs));
  let untilUs = test.start;
  for (const us of [...expectedUs, ...givenUs, ...lastUs]) untilUs = Math.max(untilUs, us);
  const played = play(specs, actions, { startUs: test.start, untilUs });
  const failures = checkExpectations(test, played);
  const shown = new Set<string>();
  const timelines: (readonly string[])[] = [];
  for (const failure of failures) {
    const lines = timeline(test, played, failure, failures);
    const title = lines[0] ?? "";
    if (lines.length === 0 || shown.has(title) || timelines.length === TIMELINES_MAX) continue;
    shown.add(title);
    timelines.push(lines);
  }
  let readings = 0;
  for (const action of actions) if (action.kind === "readings") readings += action.readings.length;
  return {
    ...{ name: test.name, file, line, passed: failures.length === 0, timelines, readings },
    failures: failures.map((failure) => ({
      ...failure,
      line: failure.path === undefined ? line : lineOf(failure.path),
    })),
    changes: played.changes.length,
    windows: played.windows.length,
    tookMs: nowMs() - startedMs,
  };
}
