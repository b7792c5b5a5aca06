import { isKit, isTest } from "./imports.ts";
import { type Fault, isNode, lineOf, type SourceFile, visit } from "./source-file.ts";

export const LINES_MAX = 70;
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
/** On the line above the function: why it is longer than a screen. */
const REASON = /^\s*\/\/ Long: .{15,}/;

/** Functions that do not fit a screen and do not say why. Tests and contract suites are lists of cases, and may be long. */
export function longFunctions(file: SourceFile): Fault[] {
  if (isTest(file.path) || isKit(file.path)) return [];
  const lines = file.text.split("\n");
  const faults: Fault[] = [];
  visit(file.parsed.program, (node) => {
    if (!FUNCTIONS.has(node.type) || !isNode(node.body)) return;
    const first = lineOf(file, node.start);
    const length = lineOf(file, node.end) - first + 1;
    if (length <= LINES_MAX || hasReason(lines, first)) return;
    const message = `a function of ${length} lines, at most ${LINES_MAX}; split it, or say why above it: // Long: ...`;
    faults.push({ path: file.path, line: first, message });
  });
  return faults;
}

function hasReason(lines: readonly string[], first: number): boolean {
  return REASON.test(lines[first - 2] ?? "");
}
