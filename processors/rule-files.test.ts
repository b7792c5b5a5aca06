import { expect, test } from "vitest";
import type { Series } from "../domain/reading.ts";
import { parseSources } from "../rule-language/files/load-rules.ts";
import { toFileProblem } from "../rule-language/files/problem.ts";
import type { Blend } from "../rule-language/spec/blend.ts";
import { ruleFilesOf } from "./rule-files.ts";

function filesOf(
  source: string,
  blends = new Map<string, Blend>(),
  quarantined = new Map<string, string>(),
  otherKinds = new Map<string, readonly Series[]>(),
) {
  const read = parseSources({ files: [{ file: "/etc/weir/rules/cold.yaml", source }], problems: [] });
  const followed = { read: () => read, problems: () => read.problems.map(toFileProblem) };
  return ruleFilesOf(followed, { blends, quarantined, otherKinds });
}

const RULE = "rules:\n  - id: warm\n    where: { metric: temperature }\n    window: { tumbling: 1m }\n";

test("files in order have no problems", () => {
  expect(filesOf(`${RULE}    when: "> 8"\n`)).toEqual({ errors: 0, warnings: 0, quarantined: 0, problems: [] });
});

test("errors come first, with the file's name in the folder, its line and how to fix it", () => {
  const { errors, warnings, problems } = filesOf(`${RULE}    treshold: 8\n`);
  expect({ errors, warnings }).toMatchObject({ errors: 1 });
  expect(problems[0]).toMatchObject({ severity: "error", file: "cold.yaml", line: 5, column: 5 });
  expect(problems[0]?.message).toContain("treshold");
});

test("warnings are listed", () => {
  const { errors, warnings, problems } = filesOf(`${RULE}    when: "> 8"\n    clear: "> 9"\n`);
  expect({ errors, warnings }).toEqual({ errors: 0, warnings: problems.length });
  expect(problems[0]).toMatchObject({ severity: "warning", code: expect.stringMatching(/^W\d+$/) });
});

test("series that a task computes as one are a warning of their rule, until its file says so", () => {
  const blends = new Map([["warm", { device: "meter", metric: "temperature", tags: ["phase"] }]]);
  const { problems } = filesOf(`${RULE}    group_by: [device, metric]\n`, blends);
  expect(problems).toMatchObject([{ code: "W023", severity: "warning", file: "cold.yaml", line: 5 }]);
  expect(filesOf(RULE, blends).problems).toEqual([]);
});

test("texts that a task met where a rule compares numbers are a warning of the rule", () => {
  const found = new Map([["warm", [{ device: "d", metric: "temperature", tags: {}, kind: "string" } as const]]]);
  const { problems } = filesOf(`${RULE}    when: "> 8"\n`, undefined, undefined, found);
  expect(problems).toMatchObject([{ code: "W025", severity: "warning", file: "cold.yaml", line: 3 }]);
  expect(problems[0]?.message).toBe("temperature of d is a text, and avg reads numbers only");
});

test("a problem of the whole set counts as an error", () => {
  const read = parseSources({ files: [], problems: [] });
  const gone = { file: "/etc/weir/rules", line: 1, column: 1, message: "no rule file is left", text: "" };
  const { errors, problems } = ruleFilesOf(
    { read: () => read, problems: () => [gone] },
    { blends: new Map(), quarantined: new Map(), otherKinds: new Map() },
  );
  expect(errors).toBe(1);
  expect(problems).toEqual([{ severity: "error", file: "rules", line: 1, column: 1, message: "no rule file is left" }]);
});

test("a rule that failed while it ran is listed with the reason", () => {
  const { errors, quarantined, problems } = filesOf(RULE, undefined, new Map([["warm", "a bug"]]));
  expect({ errors, quarantined }).toEqual({ errors: 0, quarantined: 1 });
  expect(problems).toMatchObject([
    { severity: "warning", file: "cold.yaml", message: 'the rule "warm" failed and is skipped: a bug' },
  ]);
});
