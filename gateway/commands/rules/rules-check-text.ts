import type { Place } from "../../../platform/files/yaml-source.ts";
import type { RuleProblem } from "../../../rule-language/files/problem.ts";

const RED = 31;
const YELLOW = 33;
const BLUE = 34;
const BOLD = 1;
const GREEN = 32;

/** Problems for people: what, where with the line and a caret below it, and how to fix it. */
export function problemsText(problems: readonly RuleProblem[], options: { readonly colours: boolean }): string {
  const paint = (code: number, text: string) => (options.colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return problems.map((problem) => problemText(problem, paint)).join("\n");
}

type Paint = (code: number, text: string) => string;

function problemText(problem: RuleProblem, paint: Paint): string {
  const { code, severity, file, place, message, help, related } = problem;
  const colour = severity === "error" ? RED : YELLOW;
  const width = String(Math.max(place.line, ...related.map((other) => other.place.line))).length;
  const bar = paint(BLUE, "|");
  const lines = [
    `${paint(colour, `${severity}[${code}]`)}${paint(BOLD, `: ${message}`)}`,
    ...frame("-->", file, place, ""),
    ...related.flatMap((other) => frame(":::", other.file, other.place, other.message)),
    ...(help === "" ? [] : [`${" ".repeat(width)} ${paint(BLUE, "=")} ${paint(GREEN, "help")}: ${help}`]),
  ];
  return `${lines.join("\n")}\n`;

  function frame(arrow: string, inFile: string, { line, column, length, text }: Place, label: string): string[] {
    const head = `${" ".repeat(width)}${paint(BLUE, arrow)} ${inFile}:${line}:${column}`;
    if (text === "") return [head];
    const margin = paint(BLUE, String(line).padStart(width));
    const isMain = arrow === "-->";
    const marks = paint(isMain ? colour : BLUE, (isMain ? "^" : "-").repeat(length) + (label && ` ${label}`));
    // Tabs remain tabs, so that the caret is below its text.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, " ");
    return [
      head,
      `${" ".repeat(width)} ${bar}`,
      `${margin} ${bar} ${text}`,
      `${" ".repeat(width)} ${bar} ${indent}${marks}`,
    ];
  }
}

/** `2 errors and 1 warning in 3 rules of 2 files`. */
export function summaryText(counts: {
  readonly errors: number;
  readonly warnings: number;
  readonly rules: number;
  readonly files: number;
}): string {
  const { errors, warnings, rules, files } = counts;
  const among = `${several(rules, "rule")} in ${several(files, "file")}`;
  if (errors + warnings === 0) return `${among}, no problems`;
  const found = [errors > 0 ? several(errors, "error") : "", warnings > 0 ? several(warnings, "warning") : ""];
  return `${among}: ${found.filter((part) => part !== "").join(" and ")}`;
}

function several(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
