import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { testFileJsonSchema } from "./format.ts";
import { jsonReport, junitReport, textReport } from "./reports.ts";
import { runTests } from "./run-tests.ts";
import { parseValues } from "./series-values.ts";

const RULES = `
rules:
  - { id: warm, where: { metric: t }, group_by: [site, device], window: { tumbling: 1m }, aggregate: avg, when: "> 8", clear: "< 7", for: 2m }
  - { id: summary, where: { metric: t }, window: { tumbling: 1m }, aggregate: [count, avg] }
  - { id: silent, where: { metric: t }, absent: 5m }
  - { id: levels, where: { metric: l }, window: { tumbling: 1m }, levels: { warning: "> 6", critical: "> 8.5" } }
`;
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function run(tests: string, options: { readonly only?: string } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "weir-rules-test-"));
  folders.push(folder);
  await writeFile(join(folder, "rules.yaml"), RULES);
  await writeFile(join(folder, "a.test.yaml"), `rule_files: [rules.yaml]\ntests:\n${tests}`);
  const report = await runTests([folder], { nowMs: () => 0, ...options });
  const text = textReport(report).replaceAll(`${folder}/`, "");
  return {
    report,
    text,
    messages: report.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`),
  };
}

const SERIES = 'series: [{ device: d1, site: s, metric: t, every: 10s, values: "5x6 9x30 _x6 4x12" }]';
const expects = (...lines: readonly string[]) =>
  `  - name: a test\n    ${SERIES}\n    expect:\n${lines.map((line) => `      - { ${line} }\n`).join("")}`;

describe("the values of a series", () => {
  test.each([
    ["5x3 _ 7", [5, 5, 5, undefined, 7]],
    ["1+0.1x4", [1, 1.1, 1.2, 1.3]],
    ["-1-2x3", [-1, -3, -5]],
    ["1e3 -.5 +2", [1000, -0.5, 2]],
    ["true false open closedx2", [true, false, "open", "closed", "closed"]],
    ['"not ready"x2 \'x6\' "a\\"b"', ["not ready", "not ready", "x6", 'a"b']],
    ["5x0 6", [6]],
  ])("%s", (text, values) => expect(parseValues(text)).toEqual(values));

  test.each([
    ["", "has no value"],
    ["1 %% 2", '"%%" is not a value'],
    ["1x9999999", "more than 1000000 values"],
    ["0+1x2000000", "more than 1000000 values"],
  ])("%s is refused", (text, message) => expect(parseValues(text)).toContain(message));
});

test("series that differ in a tag are apart; an expectation that names fewer labels is about all of them", async () => {
  const series = (phase: string, values: string) =>
    `      - { device: d1, site: s, phase: ${phase}, metric: t, every: 10s, values: "${values}" }\n`;
  const tests = `  - name: phases\n    series:\n${series("L1", "4x12")}${series("L2", "6x12")}    expect_windows:\n${[
    "{ rule: summary, phase: L1, end: 1m, values: { avg: 4, count: 6 } }",
    "{ rule: summary, device: d1, phase: L2, end: 1m, values: { avg: 6 } }",
    "{ rule: summary, device: d1, end: 1m, values: { count: 6 } }",
    "{ rule: summary, phse: L1, end: 1m, revision: 0 }",
  ]
    .map((line) => `      - ${line}\n`)
    .join("")}`;
  const { messages } = await run(tests);
  expect(messages).toEqual([
    expect.stringMatching(
      /^11:\d+: phse is neither a field nor a label of the group; summary groups by device, metric and all tags$/,
    ),
  ]);
  const { report, text } = await run(tests.replace("phse", "phase"));
  expect(text).not.toMatch(/expected/);
  expect(report).toMatchObject({ passed: 1, failed: 0 });
});

test("a test that passes", async () => {
  const { text, report } = await run(
    expects(
      "at: 1m59s, rule: warm, device: d1, state: inactive",
      "at: 2m, rule: warm, device: d1, site: s, state: pending, value: 9",
      "at: 4m, rule: warm, device: d1, state: firing",
      "at: 8m, rule: warm, device: d1, state: resolved",
    ),
  );
  expect(text).toContain("ok    a test");
  expect(report).toMatchObject({ passed: 1, failed: 0, problems: [] });
});

test("a failure shows the place, the expected and the actual state, and a timeline", async () => {
  const { text } = await run(
    expects("at: 3m, rule: warm, device: d1, state: firing", "at: 8m, rule: warm, device: d1, state: resolved"),
  );
  expect(text).toContain("a.test.yaml:6: warm {site=s, device=d1} at 3m: expected firing, is pending since 2m");
  expect(text).toContain(
    [
      "        warm {site=s, device=d1}",
      "        time       1m  2m       3m       4m      5m      6m      8m",
      "        value      5   9        9        9       9       9       4",
      "        - expected              firing                           resolved",
      "        + actual   .   pending  pending  firing  firing  firing  resolved",
      "                                ^",
    ].join("\n"),
  );
});

test("an expectation can be about the severity of a rule with levels", async () => {
  const series = 'series: [{ device: d1, site: s, metric: l, every: 1m, values: "5 7 9 7 5 5" }]';
  const at = (minutes: number, severity: string) =>
    `{ at: ${minutes}m, rule: levels, device: d1, state: firing, severity: ${severity} }`;
  const end = "{ at: 5m, rule: levels, device: d1, state: resolved, severity: warning, value: 5 }";
  const lines = [at(2, "warning"), at(3, "critical"), at(4, "warning"), end].join(", ");
  const good = `  - name: a test\n    exhaustive: false\n    ${series}\n    expect: [${lines}]\n`;
  expect((await run(good)).report).toMatchObject({ passed: 1, problems: [] });
  expect((await run(good.replace("critical", "info"))).text).toContain("expected severity info, is critical");
});

test("an unexpected alert fails the test, unless it is not exhaustive", async () => {
  const quiet = `  - name: a test\n    ${SERIES}\n`;
  expect((await run(quiet)).text).toContain(
    "warm {site=s, device=d1} at 4m: is firing (value 9), which is not expected",
  );
  expect((await run(`${quiet}    expect: [{ at: 5m, rule: warm, device: d1, state: firing }]\n`)).text).toContain(
    "at 8m: is resolved (value 4), which is not expected",
  );
  const tolerant = `${quiet}    exhaustive: false\n    expect: [{ at: 5m, rule: warm, device: d1, state: firing }]\n`;
  expect((await run(tolerant)).report.failed).toBe(0);
});

test("an alert that fires and ends between two expectations is reported", async () => {
  const { text } = await run(
    expects("at: 30s, rule: warm, device: d1, state: inactive", "at: 9m, rule: warm, device: d1, state: inactive"),
  );
  expect(text).toMatch(/at 4m: is firing .*\n.*at 8m: is resolved/);
});

test("windows: values, revisions, none", async () => {
  const windows = (...lines: readonly string[]) =>
    `  - name: a test\n    ${SERIES}\n    exhaustive: false\n    events: [{ at: 2m5s, reading: { device: d1, site: s, metric: t, value: 18, observed: 65s } }]\n    expect_windows:\n${lines.map((line) => `      - { rule: summary, ${line} }\n`).join("")}`;
  const good = await run(
    windows(
      "end: 2m, at: 2m5s, revision: 0, values: { count: 6, avg: 9 }",
      "end: 2m, revision: 1, values: { count: 7, avg: 10.285714 }",
      "end: 7m, none: true",
    ),
  );
  expect(good.report.failed).toBe(0);
  const bad = await run(
    windows(
      "end: 2m, values: { count: 6 }",
      "end: 3m, none: true",
      "end: 7m, values: { count: 1 }",
      "end: 3m, revision: 4",
    ),
  );
  expect(bad.report.outcomes[0]?.failures.map(({ message }) => message.replace(/^.*?: /, ""))).toEqual([
    "expected count 6, is 7",
    "expected none, found one with count 6, avg 9",
    "expected revision 4, is 0",
    expect.stringMatching(/^expected one, windows end at 1m, 2m, 3m/),
  ]);
});

test("a restart at any time changes nothing", async () => {
  const states = [
    "at: 2m, rule: warm, device: d1, state: pending",
    "at: 4m, rule: warm, device: d1, state: firing",
    "at: 8m, rule: warm, device: d1, state: resolved",
  ];
  const times = Array.from({ length: 20 }, (_, i) => `{ at: ${i * 29}s, restart: true }`);
  const { report } = await run(`${expects(...states)}    events: [${times.join(", ")}]\n`);
  expect(report).toMatchObject({ passed: 1, failed: 0 });
});

test("missing, late and repeated readings; edited and removed rules; outages", async () => {
  const { text } = await run(`
  - name: missing
    ${SERIES}
    events: [{ at: 1m, missing: { where: { device: "d*" }, for: 5m } }]
    expect: [{ at: 9m, rule: warm, device: d1, state: inactive }, { at: 6m, rule: silent, device: d1, state: firing }, { at: 7m, rule: silent, device: d1, state: resolved }]
  - name: late
    ${SERIES}
    exhaustive: false
    events: [{ at: 1m, late: { for: 1m, by: 3m } }]
    expect: [{ at: 3m, rule: warm, device: d1, state: pending }, { at: 4m30s, rule: warm, device: d1, state: pending }]
  - name: edited
    ${SERIES}
    events:
      - { at: 3m30s, edit: { warm: { for: 10m } } }
      - { at: 5m, edit: { warm: null } }
    expect: [{ at: 4m, rule: warm, device: d1, state: pending }, { at: 5m, rule: warm, device: d1, state: inactive }]
  - name: removed while it fires
    ${SERIES}
    events: [{ at: 5m, edit: { warm: null } }]
    expect: [{ at: 4m, rule: warm, device: d1, state: firing }, { at: 5m, rule: warm, device: d1, state: resolved }]
  - name: down
    ${SERIES}
    events: [{ at: 2m5s, down: 90s }]
    expect: [{ at: 3m35s, rule: warm, device: d1, state: pending }, { at: 4m, rule: warm, device: d1, state: firing }, { at: 8m, rule: warm, device: d1, state: resolved }]
`);
  expect(text).toContain("5 passed, 0 failed");
});

test("problems have a place and a fix", async () => {
  const { messages } = await run(`
  - name: a test
    series: [{ device: d1, metric: t, every: 0s, arives: 5s, values: "1 %%" }]
    events: [{ at: 5x }, { at: 1m, restart: true, tick: true }, { at: 1m }]
    expect: [{ at: 4m, rule: warm, state: fireing }]
    expekt: []
`);
  expect(messages).toEqual([
    expect.stringMatching(/^5:46: `tests\.0\.series\.0\.every` cannot be "0s"; write a duration from 1us to 366d/),
    expect.stringMatching(/^5:70: tests\.0\.series\.0\.values: "%%" is not a value; write a number/),
    expect.stringMatching(/^6:20: tests\.0\.events\.0\.at: "5x" is not a time of a test; write a duration/),
    expect.stringMatching(
      /^6:26: tests\.0\.events\.1: an event needs exactly one of reading, .*; this one has restart and tick/,
    ),
    expect.stringMatching(/^6:65: .*; this one has none/),
    expect.stringMatching(/^7:43: `tests\.0\.expect\.0\.state` cannot be .*; did you mean firing\?/),
    expect.stringMatching(/^8:\d+: unknown key `expekt`; did you mean `expect`\?/),
  ]);
  const names = await run(`
  - name: a test
    series: [{ device: d1, metric: t, every: 1s, values: 1 }]
    expect: [{ at: 4m, rule: worm, state: firing }, { at: 4m, rule: warm, devise: d1, state: firing }, { at: 1m, rule: summary, state: firing }]
    expect_windows: [{ rule: warm, end: 1m, values: { max: 5 } }]
`);
  expect(names.messages).toEqual([
    '6:30: the rule files have no rule "worm"; they have warm, summary, silent, levels',
    "6:83: devise is neither a field nor a label of the group; warm groups by site, device",
    expect.stringMatching(/^6:120: summary has no `when`, so it never alerts/),
    "7:60: warm does not compute max; it computes avg",
  ]);
  expect(
    (await run("  - { name: x, series: [{ device: d, metric: t, every: 1s, arives: 5s, values: 1 }] }")).messages,
  ).toEqual([
    expect.stringMatching(/^3:\d+: tests.0.series.0.arives: would be a tag of the series; did you mean `arrives`\?/),
  ]);
});

test("reports for programs", async () => {
  const { report } = await run(expects("at: 3m, rule: warm, device: d1, state: firing"));
  expect(JSON.parse(jsonReport(report)).outcomes[0].failures[0]).toMatchObject({
    kind: "state",
    rule: "warm",
    line: 6,
    expected: "firing",
    actual: "pending",
  });
  const xml = junitReport(report);
  expect(xml).toMatch(/<testsuites tests="1" failures="1" errors="0"/);
  expect(xml).toContain('<failure message="warm {site=s, device=d1} at 3m: expected firing, is pending since 2m">');
  expect(JSON.stringify(testFileJsonSchema())).toContain('"rule_files"');
});

test("each sample rule file has tests that pass", async () => {
  const folder = fileURLToPath(new URL("../../rules", import.meta.url));
  const report = await runTests([folder], { nowMs: () => 0 });
  expect(textReport(report)).not.toContain("FAIL");
  expect(report.problems).toEqual([]);
  const files = await readdir(folder);
  const untested = files.filter(
    (file) =>
      /\.yaml$/.test(file) && !/\.test\.yaml$/.test(file) && !files.includes(file.replace(".yaml", ".test.yaml")),
  );
  expect(untested).toEqual([]);
}, 30_000);
