import { formatProblems } from "../../platform/files/yaml-file.ts";
import type { TestOutcome, TestReport } from "./run-tests.ts";

/** A report for people: one line per test, and each failure with the timelines of its alerts. */
export function textReport(report: TestReport): string {
  const lines: string[] = [];
  let file = "";
  for (const outcome of report.outcomes) {
    if (outcome.file !== file) {
      file = outcome.file;
      lines.push(file);
    }
    lines.push(`  ${outcome.passed ? "ok  " : "FAIL"}  ${outcome.name}`);
    if (!outcome.passed) lines.push(...failureLines(outcome));
  }
  if (report.problems.length > 0) lines.push(formatProblems(report.problems));
  lines.push("", summary(report));
  return `${lines.join("\n")}\n`;
}

function failureLines({ failures, timelines, file }: TestOutcome): string[] {
  return [
    ...failures.map(({ line, message }) => `        ${file}:${line}: ${message}`),
    ...timelines.flatMap((timeline) => ["", ...timeline.map((line) => `        ${line}`)]),
    "",
  ];
}

function summary({ passed, failed, files, problems, tookMs }: TestReport): string {
  const tests = `${passed} passed, ${failed} failed`;
  const broken =
    problems.length > 0 ? `; ${problems.length} ${problems.length === 1 ? "problem" : "problems"} in the files` : "";
  return `${tests} in ${files} ${files === 1 ? "file" : "files"}${broken} (${(tookMs / 1000).toFixed(2)} s)`;
}

export function jsonReport(report: TestReport): string {
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** JUnit XML for build servers. Each file is a suite, and a problem of a file is an error. */
export function junitReport({ outcomes, problems, failed, tookMs }: TestReport): string {
  const files = [...new Set([...outcomes.map(({ file }) => file), ...problems.map(({ file }) => file)])];
  const suites = files.map((file) => {
    const ofFile = outcomes.filter((outcome) => outcome.file === file);
    const broken = problems.filter((problem) => problem.file === file);
    const failures = ofFile.filter(({ passed }) => !passed).length;
    const seconds = ofFile.reduce((sum, outcome) => sum + outcome.tookMs, 0) / 1000;
    const cases = ofFile.map(
      (outcome) =>
        `    <testcase name="${xmlText(outcome.name)}" classname="${xmlText(file)}" file="${xmlText(file)}" line="${outcome.line}" time="${(outcome.tookMs / 1000).toFixed(3)}"${failureXml(outcome)}`,
    );
    const errors = broken.map(
      ({ line, column, message }) =>
        `    <testcase name="${xmlText(`${file}:${line}:${column}`)}" classname="${xmlText(file)}"><error message="${xmlText(message)}"/></testcase>`,
    );
    return `  <testsuite name="${xmlText(file)}" tests="${ofFile.length + broken.length}" failures="${failures}" errors="${broken.length}" time="${seconds.toFixed(3)}">\n${[...cases, ...errors].join("\n")}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${outcomes.length + problems.length}" failures="${failed}" errors="${problems.length}" time="${(tookMs / 1000).toFixed(3)}">\n${suites.join("\n")}\n</testsuites>\n`;
}

function failureXml({ passed, failures, timelines }: TestOutcome): string {
  if (passed) return "/>";
  const [first] = failures;
  const text = [
    ...failures.map(({ line, message }) => `line ${line}: ${message}`),
    ...timelines.flatMap((lines) => ["", ...lines]),
  ];
  return `><failure message="${xmlText(first?.message ?? "")}">${xmlText(text.join("\n"))}</failure></testcase>`;
}

/** XML does not allow control characters. */
function xmlText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll(/[^\P{Cc}\n\t]/gu, "?");
}
