import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { reasonOf } from "../../domain/reason.ts";
import { type FileProblem, parseYaml } from "../../platform/files/yaml-file.ts";
import { canGroupBy, groupedBy, groupingOf, SERIES } from "../../rule-language/spec/grouping.ts";
import { hasAlert } from "../../rule-language/spec/levels-spec.ts";
import { type RuleSpec, ruleFileSchema, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";
import {
  EXPECTATION_FIELDS,
  labelsOf,
  READING_FIELDS,
  SERIES_FIELDS,
  type TestCase,
  testFileSchema,
  WINDOW_EXPECTATION_FIELDS,
} from "./format.ts";

export interface LoadedTest {
  readonly test: TestCase;
  readonly file: string;
  readonly line: number;
  /** The line of an expectation, given its path. */
  readonly lineOf: (path: readonly (string | number)[]) => number;
  readonly specs: readonly RuleSpec[];
  /** The rule set after each `edit` event, by the event's index. */
  readonly edits: ReadonlyMap<number, readonly RuleSpec[]>;
}

export interface LoadedTests {
  readonly tests: readonly LoadedTest[];
  readonly files: number;
  readonly problems: readonly FileProblem[];
}

const TEST_FILE = /\.test\.ya?ml$/;

/**
 * Loads the tests of files, and of all `*.test.yaml` files in folders. Returns every problem in them and in the rules
 * that they test.
 */
export async function loadTests(paths: readonly string[]): Promise<LoadedTests> {
  const problems: FileProblem[] = [];
  const files: string[] = [];
  for (const path of paths) {
    try {
      if (!(await stat(path)).isDirectory()) files.push(path);
      else for (const name of (await readdir(path)).sort()) if (TEST_FILE.test(name)) files.push(join(path, name));
    } catch (error) {
      problems.push(problem(path, `cannot be read: ${reasonOf(error)}`));
    }
  }
  if (files.length === 0 && problems.length === 0) {
    problems.push(problem(paths.join(", "), "found no *.test.yaml file"));
  }
  const tests: LoadedTest[] = [];
  for (const file of new Set(files)) {
    const loaded = await loadFile(file);
    tests.push(...loaded.tests);
    problems.push(...loaded.problems);
  }
  return { tests, files: files.length, problems };
}

async function loadFile(file: string): Promise<Omit<LoadedTests, "files">> {
  let source: string;
  try {
    source = await readFile(file, "utf8");
  } catch (error) {
    return { tests: [], problems: [problem(file, `cannot be read: ${reasonOf(error)}`)] };
  }
  const parsed = parseYaml(source, file, testFileSchema);
  if (!parsed.ok) return { tests: [], problems: parsed.problems };
  const { value, positionOf } = parsed;
  const problems: FileProblem[] = [];
  const complain = (path: readonly (string | number)[], message: string) =>
    problems.push({ file, ...positionOf(path), message });
  const specs = await loadRuleFiles(file, value.rule_files, complain, problems);
  const tests = value.tests.map((test, t): LoadedTest => {
    const edits = editsOf(test, specs, (path, message) => complain(["tests", t, ...path], message));
    // The tests of unreadable rules would only repeat the problem.
    if (problems.length === 0)
      checkNames(test, [...specs, ...[...edits.values()].flat()], (path, message) =>
        complain(["tests", t, ...path], message),
      );
    const lineOf = (path: readonly (string | number)[]) => positionOf(["tests", t, ...path]).line;
    return { test, file, line: lineOf([]), lineOf, specs, edits };
  });
  return { tests: problems.length > 0 ? [] : tests, problems };
}

type Complain = (path: readonly (string | number)[], message: string) => void;

async function loadRuleFiles(testFile: string, names: readonly string[], complain: Complain, problems: FileProblem[]) {
  const specs = new Map<string, RuleSpec>();
  for (const [i, name] of names.entries()) {
    const file = join(dirname(testFile), name);
    let source: string;
    try {
      source = await readFile(file, "utf8");
    } catch (error) {
      complain(["rule_files", i], `the rule file ${file} cannot be read: ${reasonOf(error)}`);
      continue;
    }
    const parsed = parseYaml(source, file, ruleFileSchema);
    if (!parsed.ok) {
      problems.push(...parsed.problems);
      continue;
    }
    for (const spec of parsed.value.rules) {
      if (specs.has(spec.id)) complain(["rule_files", i], `the rule files define "${spec.id}" twice; remove one`);
      specs.set(spec.id, spec);
    }
  }
  return [...specs.values()];
}

/** Edits apply in order of time, each to the result of the one before. */
function editsOf(test: TestCase, specs: readonly RuleSpec[], complain: Complain): Map<number, readonly RuleSpec[]> {
  const edits = new Map<number, readonly RuleSpec[]>();
  let inForce = specs;
  const places = test.events.map((event, place) => ({ event, place })).filter(({ event }) => event.edit !== undefined);
  places.sort((a, b) => a.event.at.us - b.event.at.us);
  for (const { event, place } of places) {
    const next = new Map<string, RuleSpec>(inForce.map((spec) => [spec.id, spec]));
    for (const [id, fields] of Object.entries(event.edit ?? {})) {
      const path = ["events", place, "edit", id];
      const old = next.get(id);
      if (fields === null) {
        if (!next.delete(id)) complain(path, `there is no rule "${id}" to remove`);
        continue;
      }
      const merged = ruleSpecSchema.safeParse({ ...withoutUndefined({ ...old, ...fields }), id });
      if (merged.success) next.set(id, merged.data);
      for (const issue of merged.error?.issues ?? []) {
        complain(
          [...path, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))],
          issue.message,
        );
      }
    }
    inForce = [...next.values()];
    edits.set(place, inForce);
  }
  return edits;
}

/** In an edit, null removes a field. */
function withoutUndefined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

/** The names of the tags that the readings of a test have. */
function tagsOf({ series, events }: TestCase): ReadonlySet<string> {
  const ofSeries = series.flatMap((one) => Object.keys(labelsOf(one, SERIES_FIELDS)));
  const ofEvents = events.flatMap(({ reading }) => (reading ? Object.keys(labelsOf(reading, READING_FIELDS)) : []));
  return new Set([...ofSeries, ...ofEvents]);
}

function checkNames(test: TestCase, specs: readonly RuleSpec[], complain: Complain): void {
  const check = (
    list: "expect" | "expect_windows",
    i: number,
    rule: string,
    labels: Readonly<Record<string, string>>,
  ) => {
    const ofId = specs.filter((spec) => spec.id === rule);
    if (ofId.length === 0) {
      const ids = [...new Set(specs.map(({ id }) => id))];
      complain([list, i, "rule"], `the rule files have no rule "${rule}"; they have ${ids.join(", ")}`);
      return ofId;
    }
    const tags = tagsOf(test);
    for (const label of Object.keys(labels)) {
      const isKnown = label === "device" || label === "metric" || tags.has(label);
      const isOfGroup = ({ group_by }: RuleSpec) => group_by !== SERIES || isKnown;
      if (ofId.some((spec) => canGroupBy(groupingOf(spec), label) && isOfGroup(spec))) continue;
      const groups = [...new Set(ofId.map(groupedBy))].join("; ");
      complain([list, i, label], `${label} is neither a field nor a label of the group; ${rule} groups by ${groups}`);
    }
    return ofId;
  };
  for (const [i, expectation] of test.expect.entries()) {
    const ofId = check("expect", i, expectation.rule, labelsOf(expectation, EXPECTATION_FIELDS));
    if (ofId.length > 0 && !ofId.some(hasAlert))
      complain(
        ["expect", i, "rule"],
        `${expectation.rule} has no \`when\`, so it never alerts; use expect_windows to test its values`,
      );
  }
  for (const [i, expectation] of test.expect_windows.entries()) {
    const ofId = check("expect_windows", i, expectation.rule, labelsOf(expectation, WINDOW_EXPECTATION_FIELDS));
    const computed = new Set(ofId.flatMap(({ aggregate }) => aggregate));
    for (const name of Object.keys(expectation.values ?? {})) {
      if (ofId.length > 0 && !computed.has(name)) {
        complain(
          ["expect_windows", i, "values", name],
          `${expectation.rule} does not compute ${name}; it computes ${[...computed].join(", ")}`,
        );
      }
    }
  }
  if (test.expect.length + test.expect_windows.length === 0 && !test.exhaustive) {
    complain(
      ["name"],
      "expects nothing: give `expect` or `expect_windows`, or leave `exhaustive` on to test that nothing fires",
    );
  }
}

function problem(file: string, message: string): FileProblem {
  return { file, line: 1, column: 1, message, text: "" };
}
