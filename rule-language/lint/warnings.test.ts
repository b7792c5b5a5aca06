import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Series } from "../../domain/reading.ts";
import { holds } from "../conditions/condition.ts";
import { idsUsedTwice, readRules } from "../files/load-rules.ts";
import type { RuleProblem } from "../files/problem.ts";
import { readRuleFile } from "../files/read-rule-file.ts";
import { RECIPES } from "../reference/recipes.ts";
import { checkedCondition } from "../spec/checked.ts";
import { checkRules } from "./check-rules.ts";
import { alwaysHolds, commonValue } from "./value-probes.ts";
import { WARNINGS } from "./warning-kinds.ts";

const PHASES: readonly Series[] = ["L1", "L2"].map((phase) => {
  return { device: "meter-1", metric: "power", tags: { phase, site: "north" }, kind: "number" };
});
const KNOWN: readonly Series[] = [
  { device: "cold-1", metric: "temperature", tags: { site: "north" }, kind: "number" },
  { device: "cold-2", metric: "temperature", tags: { site: "south" }, kind: "number" },
];

function problemsOf(source: string, known?: readonly Series[]): RuleProblem[] {
  const read = readRuleFile(source, "rules.yaml");
  const files = [{ ...read, file: "rules.yaml" }];
  const seen = known && { series: known, mayGrow: false };
  return checkRules({ files, problems: [...read.problems, ...idsUsedTwice(read.rules)] }, seen, { receivers: ["ops"] });
}

function codesOf(source: string, known?: readonly Series[]): string[] {
  return problemsOf(source, known).map(({ code }) => code);
}

/** An example of the reference, as a complete file. */
function fileOf(example: string): string {
  if (example.startsWith("- ")) return `rules:\n${example.replace(/^/gm, "  ")}\n`;
  const fields = example.replace(/^/gm, "    ");
  const window = /^(window|absent):/m.test(example) ? "" : "    window: { tumbling: 1m }\n";
  const when = /^(when|absent):/m.test(example) || !/^(annotations|labels):/m.test(example) ? "" : '    when: "> 8"\n';
  const where = /^(annotations|labels):/m.test(example) ? "    where: { metric: temperature }\n" : "";
  return `rules:\n  - id: example\n${fields}\n${where}${window}${when}`;
}

const PRESSURE: Series = { device: "valve-1", metric: "pressure", tags: {}, kind: "string" };

/** The series that the examples of a warning need. */
const NEEDED: Readonly<Record<string, readonly Series[]>> = { W005: KNOWN, W023: PHASES, W025: [PRESSURE] };
const KINDS = Object.entries(WARNINGS).map(([code, kind]) => ({ code, ...kind }));

describe.each(KINDS.filter(({ code }) => code !== "W017"))("$code $title", ({ code, bad, good }) => {
  test("the bad example of the reference gives exactly this warning", () => {
    expect(codesOf(fileOf(bad), NEEDED[code])).toEqual([code]);
  });

  test("the good example gives none", () => {
    expect(codesOf(fileOf(good), NEEDED[code])).toEqual([]);
  });
});

test.each(RECIPES)("the recipe `$title` has no problems", ({ yaml }) => {
  expect(problemsOf(yaml)).toEqual([]);
});

test.each<{ name: string; ignored: string; known?: readonly Series[]; expected: readonly string[] }>([
  { name: "several codes, with a reason", ignored: "W003, W013 on purpose", expected: [] },
  { name: "only the named warnings", ignored: "W003", expected: ["W013"] },
  { name: "and a misspelt code is reported", ignored: "W003 W13", expected: ["W013", "W017"] },
  { name: "and a warning that does not occur is unused", ignored: "W003 W013 W005", known: KNOWN, expected: ["W017"] },
  { name: "and a check that cannot run here is not unused", ignored: "W003 W013 W005", expected: [] },
  { name: "and one that needs all files is not unused here", ignored: "W003 W013 W002", expected: [] },
])("a comment silences: $name", ({ ignored, known, expected }) => {
  const source = `rules:\n  - id: a\n    window: { tumbling: 1m }\n    # weir-ignore: ${ignored}\n    when: "== 5"\n    for: 5s\n`;
  expect(codesOf(source, known).sort()).toEqual(expected);
});

test("a comment above `rules:` applies to the file, one above a rule to that rule, one inside a text to nothing", () => {
  const rule = (id: string) => `  - id: ${id}\n    window: { tumbling: 1m }\n    when: "> ${id.length}"\n    for: 5s\n`;
  expect(codesOf(`# weir-ignore: W003\nrules:\n${rule("a")}${rule("bb")}`)).toEqual([]);
  const above = problemsOf(`rules:\n${rule("a")}  # weir-ignore: W003\n${rule("bb")}`);
  expect(above.map(({ code, place }) => [code, place.line])).toEqual([["W003", 5]]);
  const inText = `rules:\n${rule("a")}    annotations: { note: "# weir-ignore: W003" }\n`;
  expect(codesOf(inText)).toEqual(["W003"]);
});

test("a warning shows the other field in question", () => {
  const [warning] = problemsOf('rules:\n  - id: a\n    window: { tumbling: 1m }\n    when: "> 8"\n    clear: "< 9"\n');
  expect(warning).toMatchObject({ code: "W001", place: { line: 5, column: 12, length: 5 } });
  expect(warning?.related).toMatchObject([{ place: { line: 4, column: 11, length: 5 }, message: "`when` is here" }]);
});

test("unknown sensors are reported at the label that excludes the last of them, with the nearest name", () => {
  const rule = (where: string) => `rules:\n  - id: a\n    where: ${where}\n    window: { tumbling: 1m }\n`;
  expect(problemsOf(rule("{ metric: temprature }"), KNOWN)).toMatchObject([
    { code: "W005", help: "did you mean temperature?" },
  ]);
  expect(problemsOf(rule("{ site: south, device: cold-1 }"), KNOWN)).toMatchObject([
    { code: "W005", message: 'no known sensor has device "cold-1"', help: "did you mean cold-2?" },
  ]);
  expect(problemsOf(rule("{ room: a }"), KNOWN)).toMatchObject([{ code: "W005", help: "no reading has a room" }]);
  expect(problemsOf(rule("{ room: a }"))).toEqual([]);
});

test("a misspelt label of `where` is reported, also without known series and under a name of `let`", () => {
  const rule = (where: string) => `rules:\n  - id: a\n    where: ${where}\n    window: { tumbling: 1m }\n`;
  const expected = { code: "W005", message: 'no known sensor has a label "devce"', help: "did you mean device?" };
  expect(problemsOf(rule("{ devce: cold-1 }"))).toMatchObject([{ ...expected, place: { line: 3, length: 5 } }]);
  expect(problemsOf(rule("{ metric: temperature, devce: cold-1 }"), KNOWN)).toMatchObject([expected]);
  expect(problemsOf(rule('{ metric: temperature, stie: "!lab" }'), KNOWN)).toMatchObject([
    { code: "W005", help: "did you mean site?" },
  ]);
  const names = "    let: { t: { metric: temperature, where: { devce: x } } }\n    when: t > 8\n";
  expect(problemsOf(`rules:\n  - id: a\n    window: { tumbling: 1m }\n${names}`)).toMatchObject([expected]);
  expect(codesOf(rule("{ room: a, floor: b, line: c, unit: d, phase: L1 }"))).toEqual([]);
});

test("a name of `let` that matches no known series is reported at its own labels", () => {
  const names = "    let: { t: { metric: temprature }, h: { where: { metric: temperature } } }\n    when: t > h\n";
  expect(problemsOf(`rules:\n  - id: a\n    window: { tumbling: 1m }\n${names}`, KNOWN)).toMatchObject([
    { code: "W005", help: "did you mean temperature?", place: { line: 4, column: 25 } },
  ]);
});

test("a list in `group_by` that blends series of one device is reported with the tags in which they differ", () => {
  const rule = (fields: string) => `rules:\n  - id: a\n    where: { metric: power }\n    ${fields}\n`;
  const window = "window: { tumbling: 1m }\n    group_by: ";
  expect(problemsOf(rule(`${window}[device, metric]`), PHASES)).toMatchObject([
    {
      code: "W023",
      message: "several series of meter-1 power are computed as one: they differ in phase",
      help: "add phase to `group_by`, or remove `group_by`: then each series is computed alone",
      place: { line: 5 },
    },
  ]);
  for (const grouping of ["[device, phase]", "[site]", "[metric, site]", "series"])
    expect(codesOf(rule(`${window}${grouping}`), PHASES)).toEqual([]);
  expect(codesOf(rule(`${window}[device]\n    aggregate: count`), PHASES)).toEqual([]);
  expect(codesOf(rule("absent: 5m\n    group_by: [device]"), PHASES)).toEqual([]);
  const read = readRuleFile(rule(`${window}[device]`), "a.yaml");
  const blends = new Map([["a", { device: "m", metric: "power", tags: ["phase", "room"] }]]);
  const files = [{ ...read, file: "a.yaml" }];
  expect(checkRules({ files, problems: [] }, undefined, { blends })).toMatchObject([
    { code: "W023", help: expect.stringContaining("add phase and room to `group_by`") },
  ]);
});

test.each([
  ['aggregate: max\n    when: "> 8"', "string", "pressure of valve-1 is a text, and max reads numbers only"],
  ['aggregate: last\n    when: "> 8"', "string", "pressure of valve-1 is a text, and a text is never > 8"],
  ['aggregate: last\n    when: "!= 8"', "string", undefined],
  ['aggregate: count\n    when: "> 8"', "string", undefined],
  ['aggregate: last\n    when: "== open"', "string", undefined],
  [
    'aggregate: max\n    when: "> 8"',
    "boolean",
    "pressure of valve-1 is a boolean, and false and true count as 0 and 1, which are never > 8",
  ],
  ['aggregate: max\n    when: "> 0"', "boolean", undefined],
  ['aggregate: sum\n    when: "> 8"', "boolean", undefined],
  ['aggregate: max\n    when: "> 8"', "number", undefined],
] as const)("%j over a %s: %s", (fields, kind, message) => {
  const rule = (where: string) =>
    `rules:\n  - id: a\n    where: ${where}\n    window: { tumbling: 1m }\n    ${fields}\n`;
  const known = [{ ...PRESSURE, kind }];
  const expected = message === undefined ? [] : [{ code: "W025", message, place: { line: 3 } }];
  expect(problemsOf(rule("{ metric: pressure }"), known).filter(({ code }) => code === "W025")).toMatchObject(expected);
  for (const where of ["{ device: valve-1 }", '{ metric: "*" }', "{ metric: pressure, device: other }"])
    expect(codesOf(rule(where), known)).not.toContain("W025");
});

test("exclusions that are misspelt, exclude everything, or use another language", () => {
  const rule = (where: string) => `rules:\n  - id: a\n    where: ${where}\n    window: { tumbling: 1m }\n`;
  expect(problemsOf(rule('{ metric: temperature, device: ["cold-*", "!clod-2"] }'), KNOWN)).toMatchObject([
    { code: "W005", help: 'did you mean "!cold-2"?' },
  ]);
  expect(problemsOf(rule('{ metric: temperature, device: ["cold-*", "!cold-2"], room: "!a" }'), KNOWN)).toEqual([]);
  expect(problemsOf(rule('{ metric: temperature, site: ["!north", "!s*"] }'), KNOWN)).toMatchObject([
    { code: "W005", message: "site excludes every known sensor", help: "exclude less" },
  ]);
  expect(problemsOf(rule('{ metric: temperature, site: "not lab", device: "!cold-.*" }'))).toMatchObject([
    { code: "W012", help: 'write "!lab"' },
    { code: "W012", help: 'write "!cold-*"' },
  ]);
  expect(codesOf(rule('{ metric: "!battery" }'))).toEqual([]);
  expect(codesOf(`${rule('{ metric: "!battery" }')}    group_by: [device]\n`)).toEqual(["W014"]);
});

test("when more sensors may follow, only near misses are reported", () => {
  const read = readRuleFile(
    "rules:\n  - { id: a, where: { metric: door }, window: { tumbling: 1m } }\n  - { id: b, where: { device: clod-1 }, window: { tumbling: 1m } }\n" +
      "  - { id: c, where: { device: cold-3 }, window: { tumbling: 2m } }\n",
    "a.yaml",
  );
  const files = [{ ...read, file: "a.yaml" }];
  const problems = checkRules({ files, problems: [] }, { series: KNOWN, mayGrow: true });
  expect(problems).toMatchObject([{ code: "W005", help: "did you mean cold-1?", place: { line: 3 } }]);
});

test("a label that no sensor has is reported, even when more sensors may follow", () => {
  const read = readRuleFile(
    "rules:\n  - { id: a, where: { rack: r1 }, window: { tumbling: 1m } }\n  - { id: b, where: { rack: '!r1' }, window: { tumbling: 1m } }\n",
    "a.yaml",
  );
  const files = [{ ...read, file: "a.yaml" }];
  expect(checkRules({ files, problems: [] }, { series: KNOWN, mayGrow: true })).toMatchObject([
    { code: "W005", message: 'no known sensor has rack "r1"', help: "no reading has a rack", place: { line: 2 } },
  ]);
  expect(checkRules({ files, problems: [] }, { series: [], mayGrow: true })).toEqual([]);
});

test.each([
  ["a value is no label", 'where: { metric: t, value: "!85" }\nwindow: { tumbling: 1m }', "W026"],
  ["a week from Thursday", "where: { metric: t }\nwindow: { tumbling: 14d }", "W027"],
  ["a difference of a counter", "where: { metric: energy_total }\nwindow: { tumbling: 1h }\naggregate: delta", "W028"],
  [
    "a rate of a counter",
    "where: { metric: [a_total, b_total] }\nwindow: { tumbling: 1h }\naggregate: rate(1h)",
    "W028",
  ],
  [
    "a spread of one reading",
    'where: { metric: t }\nwindow: { tumbling: 1h }\naggregate: stddev\nwhen: "< 0.1"',
    "W029",
  ],
  ["a week of the calendar", "where: { metric: t }\nwindow: { calendar: week }", undefined],
  ["ten days", "where: { metric: t }\nwindow: { tumbling: 10d }", undefined],
  [
    "an increase of a counter",
    "where: { metric: energy_total }\nwindow: { tumbling: 1h }\naggregate: increase",
    undefined,
  ],
  ["a difference of something else", "where: { metric: level }\nwindow: { tumbling: 1h }\naggregate: delta", undefined],
  [
    "a spread of at least something",
    'where: { metric: t }\nwindow: { tumbling: 1h }\naggregate: range\nwhen: "> 1"',
    undefined,
  ],
  [
    "a spread of ten readings",
    'where: { metric: t }\nwindow: { count: 10 }\naggregate: range\nwhen: "== 0"',
    undefined,
  ],
])("%s", (_name, fields, code) => {
  const lines = ["id: a", ...fields.split("\n")].join("\n    ");
  const read = readRuleFile(`rules:\n  - ${lines}\n`, "a.yaml");
  const problems = checkRules({ files: [{ ...read, file: "a.yaml" }], problems: [] }, undefined);
  expect(problems.map((problem) => problem.code)).toEqual(code === undefined ? [] : [code]);
});

test("the sample rules have no problems beside the demo's sensors: co2 is not a misspelt CO", async () => {
  const read = await readRules(fileURLToPath(new URL("../../rules", import.meta.url)));
  expect(read.files.length).toBeGreaterThan(8);
  const metrics = ["PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "wd", "WSPM"];
  const series = metrics.map((metric): Series => {
    const kind = metric === "wd" ? "string" : "number";
    return { device: "Aotizhongxin", metric, tags: { site: "beijing" }, kind };
  });
  expect(checkRules(read, { series, mayGrow: true })).toEqual([]);
});

const FILE = RECIPES.map(({ yaml }) => yaml.replace("rules:\n", "")).join("");
const damage = fc.tuple(
  fc.nat({ max: FILE.length }),
  fc.nat({ max: 12 }),
  fc.oneof(
    fc.constantFrom(
      "*",
      "&a ",
      "!",
      "> ",
      "|",
      "{",
      "}",
      "[",
      "]",
      "'",
      '"',
      "#",
      "\t",
      "\n",
      "\n---\n",
      ": ",
      "- ",
      "\r\n",
      "?",
      "%",
      "null",
      "<<: *a",
      "\u0000",
      "\ufeff",
    ),
    fc.string({ maxLength: 8 }),
  ),
);

test("any text gives problems with a place inside the file, without an exception", () => {
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      let source = `rules:\n${FILE}`;
      for (const [at, cut, put] of damages) source = source.slice(0, at) + put + source.slice(at + cut);
      const lines = source.split("\n");
      for (const { place, message, help, severity } of problemsOf(source, KNOWN)) {
        expect(place.line).toBeGreaterThan(0);
        expect(lines[place.line - 1]?.replace(/\r$/, "")).toBe(place.text);
        expect(place.column).toBeGreaterThan(0);
        expect(place.column - 1 + place.length).toBeLessThanOrEqual(Math.max(place.text.length, place.column));
        expect(message).not.toMatch(/undefined|\[object/);
        if (severity === "error") expect(help).toBeTruthy();
      }
    }),
    { numRuns: 100 },
  );
});

const limit = fc.integer({ min: -4, max: 4 }).map((n) => n / 2);
const condition = fc
  .oneof(
    fc
      .tuple(fc.constantFrom(">", ">=", "<", "<=", "==", "!="), limit)
      .map(([operator, value]) => `${operator} ${value}`),
    fc
      .tuple(fc.constantFrom("between", "outside"), limit, limit)
      .map(([word, a, b]) => `${word} ${Math.min(a, b)} and ${Math.max(a, b)}`),
    fc.constantFrom("== open", "!= open", "== true", "!= false"),
  )
  .map(checkedCondition);
const domain = fc.record({
  min: fc.constantFrom(Number.NEGATIVE_INFINITY, 0, 1),
  max: fc.constantFrom(Number.POSITIVE_INFINITY, 1.5),
  whole: fc.boolean(),
  texts: fc.boolean(),
});

test("whether a condition can hold or always holds agrees with a fine grid of values", () => {
  const grid = Array.from({ length: 161 }, (_, i) => (i - 80) / 8);
  fc.assert(
    fc.property(fc.array(condition, { minLength: 1, maxLength: 2 }), domain, (conditions, values) => {
      const { min, max, whole, texts } = values;
      const numbers = grid.filter((n) => n >= min && n <= max && (!whole || Number.isInteger(n)));
      const all = texts ? [...numbers, "open", "closed", "true", "false", ""] : numbers;
      const some = all.some((value) => conditions.every((one) => holds(one, value)));
      expect(commonValue(conditions, values) !== undefined).toBe(some);
      const [first] = conditions;
      if (first) expect(alwaysHolds(first, values)).toBe(all.every((value) => holds(first, value)));
    }),
    { numRuns: 2_000 },
  );
});
