import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { closest } from "../../platform/files/closest.ts";

/** What stands for a name: a number, or a number or a text. */
export type NameType = "number" | "any";

/** A condition in CEL (the Common Expression Language) over values by name. */
export interface Expression {
  readonly text: string;
  /** What is joined by `&&`; itself alone where nothing is. */
  readonly parts: readonly Expression[];
  /** Undefined where it says nothing of such values: a text where a number is wanted. */
  holds(values: Readonly<Record<string, number | string>>): boolean | undefined;
}

export interface ExpressionFault {
  readonly message: string;
  readonly help: string;
}

const NODES_MAX = 500;
const DEPTH_MAX = 40;
const FUNCTIONS = { abs: Math.abs, floor: Math.floor, ceil: Math.ceil, round: Math.round, sqrt: Math.sqrt } as const;
const LANGUAGE = language();

/** Reads an expression that is to say yes or no. */
export function parseExpression(text: string, names: Readonly<Record<string, NameType>>): Expression | ExpressionFault {
  const environment = LANGUAGE.clone();
  for (const [name, type] of Object.entries(names)) {
    environment.registerVariable(name, type === "number" ? "double" : "dyn");
  }
  const { valid, type, error } = environment.check(text);
  if (!valid) return faultOf(error, { text, names: Object.keys(names) });
  if (String(type) !== "bool") {
    return { message: `"${text}" is neither true nor false`, help: `compare it with something: ${text} > 8` };
  }
  const { ast } = environment.parse(text);
  return oddity(ast, Object.keys(names)) ?? expressionOf(environment, text);
}

function expressionOf(environment: Environment, text: string): Expression {
  const parsed = environment.parse(text);
  const parts = conjuncts(parsed.ast).map(({ start, end }) => text.slice(start, end));
  const expression: Expression = {
    text,
    get parts() {
      return parts.length === 1 ? [expression] : parts.map((part) => expressionOf(environment, part));
    },
    holds(values) {
      try {
        return parsed(values) === true;
      } catch {
        return undefined;
      }
    },
  };
  return expression;
}

function conjuncts(node: ASTNode): ASTNode[] {
  return node.op === "&&" ? node.args.flatMap(conjuncts) : [node];
}

/** Whether it reads as one at all, whatever its names are. */
export function isExpression(text: string): boolean {
  try {
    let hasName = false;
    walk(LANGUAGE.parse(text).ast, ({ op }) => {
      hasName ||= op === "id";
    });
    return hasName;
  } catch {
    return false;
  }
}

export function isFault(parsed: Expression | ExpressionFault): parsed is ExpressionFault {
  return "message" in parsed;
}

/** CEL, in which whole numbers and others mix, as people write them. */
function language(): Environment {
  const environment = new Environment({ limits: { maxAstNodes: NODES_MAX, maxDepth: DEPTH_MAX } });
  // Both ways, and `!=`: one stands for all.
  environment.registerOperator("double == int", (a: number, b: number) => Number(a) === Number(b));
  for (const [left, right] of [
    ["double", "int"],
    ["int", "double"],
  ]) {
    environment.registerOperator(`${left} + ${right}: double`, (a: number, b: number) => Number(a) + Number(b));
    environment.registerOperator(`${left} - ${right}: double`, (a: number, b: number) => Number(a) - Number(b));
    environment.registerOperator(`${left} * ${right}: double`, (a: number, b: number) => Number(a) * Number(b));
    environment.registerOperator(`${left} / ${right}: double`, (a: number, b: number) => Number(a) / Number(b));
  }
  for (const [name, compute] of Object.entries(FUNCTIONS)) {
    environment.registerFunction(`${name}(double): double`, compute);
  }
  environment.registerFunction("min(double, double): double", Math.min);
  environment.registerFunction("max(double, double): double", Math.max);
  return environment;
}

interface Fault {
  readonly message: string;
  readonly code?: string;
  readonly summary?: string;
  readonly range?: { readonly start: number; readonly end: number };
}

function faultOf(
  error: Fault | undefined,
  { text, names }: { readonly text: string; readonly names: readonly string[] },
): ExpressionFault {
  const { code = "", range = { start: 0, end: text.length } } = error ?? {};
  const summary = error?.summary ?? error?.message.split("\n", 1)[0] ?? "cannot be read";
  const part = text.slice(range.start, range.end).trim();
  const said = names.join(", ");
  if (code === "unknown_variable") {
    const name = /^[A-Za-z_]\w*/.exec(part)?.[0] ?? part;
    const near = closest(name, names);
    return { message: `\`let\` says nothing of ${name}`, help: near ? `did you mean ${near}?` : `there are ${said}` };
  }
  const joined = / (and|or|not) /i.exec(` ${text} `)?.[1]?.toLowerCase();
  if (/unexpected|token|character/.test(code)) {
    if (joined !== undefined) return { message: `"${text}" has a word for a sign`, help: signFor(joined) };
    if (/[^=!<>]=[^=]/.test(text)) return { message: `"${text}" has a single =`, help: "write == to compare" };
    const where = part === "" ? "at its end" : `at "${part}"`;
    return {
      message: `"${text}" cannot be read ${where}`,
      help: "write a comparison of names, like current > 12 && flow < 0.5; each ( needs a )",
    };
  }
  if (code.startsWith("no_")) {
    const kinds = summary
      .replace(/^.*: /, "")
      .replaceAll(/double|int/g, "number")
      .replaceAll("string", "text");
    const message = `"${part}" does not fit together: ${kinds}`;
    return { message, help: "numbers go with numbers, and texts, in quotes, with what `last` gives" };
  }
  return { message: `"${part}": ${summary}`, help: `there are the names ${said}, numbers, && || ! and ( )` };
}

function signFor(word: string): string {
  const sign = { and: "&&", or: "||", not: "!" }[word];
  return `write ${sign} for ${word}`;
}

/** What CEL would take, and no rule should say. */
function oddity(ast: ASTNode, names: readonly string[]): ExpressionFault | undefined {
  let found: ExpressionFault | undefined;
  let uses = 0;
  walk(ast, (node) => {
    if (node.op === "id" && names.includes(String(node.args))) uses++;
    if (node.op === "rcall" && Array.isArray(node.args) && node.args[0] === "matches") {
      // A regular expression may take for ever.
      found ??= { message: "`matches` is not there", help: "compare with ==, or use startsWith, endsWith or contains" };
    }
    if (node.op === "/" && node.args.every(isWhole)) {
      found ??= { message: "between whole numbers / drops what is behind the point", help: "write 1.0 / 2 for a half" };
    }
    if ((node.op === "==" || node.op === "!=") && Array.isArray(node.args) && node.args.some(isTruth)) {
      found ??= { message: "true and false are 1 and 0 here", help: "write == 1 or == 0" };
    }
  });
  if (uses === 0) found ??= { message: "it looks at no series", help: `use the names of \`let\`: ${names.join(", ")}` };
  return found;
}

function isWhole(node: ASTNode): boolean {
  return node.op === "value" && typeof node.args === "bigint";
}

function isTruth(node: unknown): boolean {
  return isNode(node) && node.op === "value" && typeof node.args === "boolean";
}

function walk(node: unknown, visit: (node: ASTNode) => void): void {
  if (Array.isArray(node)) for (const inner of node) walk(inner, visit);
  if (!isNode(node)) return;
  visit(node);
  walk(node.args, visit);
}

function isNode(node: unknown): node is ASTNode {
  return typeof node === "object" && node !== null && "op" in node && "args" in node;
}
