import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import { closest } from "../../platform/files/closest.ts";
import type { BareFaultOf } from "../../platform/files/fault.ts";
import type { ExpressionFacts } from "./expression-texts.ts";

/** The type of a name: always a number, or a number or text. */
export type NameType = "number" | "any";

/** A condition in CEL (the Common Expression Language) over values by name. */
export interface Expression {
  readonly text: string;
  /** The operands of `&&`, or the expression itself if it has none. */
  readonly parts: readonly Expression[];
  /** Undefined if the expression cannot be evaluated because a value is a text and must be a number. */
  holds(values: Readonly<Record<string, number | string>>): boolean | undefined;
}

export type ExpressionFault = BareFaultOf<ExpressionFacts>;

const NODES_MAX = 500;
const DEPTH_MAX = 40;
const FUNCTIONS = { abs: Math.abs, floor: Math.floor, ceil: Math.ceil, round: Math.round, sqrt: Math.sqrt } as const;
const FUNCTION_NAMES: readonly string[] = [...Object.keys(FUNCTIONS), "min", "max"];
/** What rules and sources have in common: CEL and these functions. */
export const LANGUAGE = language();

/** Parses an expression that evaluates to true or false. */
export function parseExpression(text: string, names: Readonly<Record<string, NameType>>): Expression | ExpressionFault {
  const environment = LANGUAGE.clone();
  for (const [name, type] of Object.entries(names)) {
    environment.registerVariable(name, type === "number" ? "double" : "dyn");
  }
  const { valid, type, error } = environment.check(text);
  if (!valid) return faultOf(error, { text, names: Object.keys(names) });
  if (String(type) !== "bool") return { code: "not_yes_or_no", facts: { text } };
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

/** Whether a text is an expression over any names. */
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

/** The names in an expression, in order. */
export function namesIn(text: string): readonly string[] {
  const names = new Set<string>();
  walk(LANGUAGE.parse(text).ast, ({ op, args }) => {
    if (op === "id") names.add(String(args));
  });
  return [...names];
}

/** CEL, extended so that whole numbers and fractions can be mixed, as people write them. */
function language(): Environment {
  const environment = new Environment({ limits: { maxAstNodes: NODES_MAX, maxDepth: DEPTH_MAX } });
  // The library derives the reverse order, and `!=`.
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

interface LibraryFault {
  readonly message: string;
  readonly code?: string;
  readonly summary?: string;
  readonly range?: { readonly start: number; readonly end: number };
}

function faultOf(
  error: LibraryFault | undefined,
  { text, names }: { readonly text: string; readonly names: readonly string[] },
): ExpressionFault {
  const { code = "", range = { start: 0, end: text.length } } = error ?? {};
  const reason = error?.summary ?? error?.message.split("\n", 1)[0] ?? "syntax error";
  const part = text.slice(range.start, range.end).trim();
  if (code === "unknown_variable") {
    const name = /^[A-Za-z_]\w*/.exec(part)?.[0] ?? part;
    return { code: "unknown_name", facts: { name, names, meant: closest(name, names) } };
  }
  if (/unexpected|token|character/.test(code)) {
    const word = (["and", "or", "not"] as const).find((one) => ` ${text} `.toLowerCase().includes(` ${one} `));
    if (word !== undefined) return { code: "word_for_sign", facts: { text, word } };
    if (/[^=!<>]=[^=]/.test(text)) return { code: "single_equals", facts: { text } };
    return { code: "bad_expression", facts: { text, part } };
  }
  const [, called] = /overload for '(?:\w+\.)*(\w+)\(/.exec(reason) ?? [];
  if (called !== undefined && !FUNCTION_NAMES.includes(called)) {
    const facts = {
      name: called,
      functions: FUNCTION_NAMES,
      meant: closest(called, FUNCTION_NAMES),
      aggregate: undefined,
    };
    return { code: "unknown_function", facts };
  }
  if (code.startsWith("no_")) {
    const kinds = reason
      .replace(/^.*: /, "")
      .replaceAll(/double|int/g, "number")
      .replaceAll("string", "text");
    return { code: "mixed_types", facts: { part, kinds } };
  }
  return { code: "not_cel", facts: { part, reason, names } };
}

/** Finds constructs that CEL allows but that are mistakes in a rule. */
function oddity(ast: ASTNode, names: readonly string[]): ExpressionFault | undefined {
  let found: ExpressionFault | undefined;
  let uses = 0;
  walk(ast, (node) => {
    if (node.op === "id" && names.includes(String(node.args))) uses++;
    // A regular expression can take exponential time.
    if (node.op === "rcall" && Array.isArray(node.args) && node.args[0] === "matches")
      found ??= { code: "no_matches", facts: {} };
    if (node.op === "/" && node.args.every(isWhole)) found ??= { code: "whole_division", facts: {} };
    if ((node.op === "==" || node.op === "!=") && Array.isArray(node.args) && node.args.some(isTruth))
      found ??= { code: "no_truth", facts: {} };
  });
  if (uses === 0) found ??= { code: "no_series", facts: { names } };
  return found;
}

function isWhole(node: ASTNode): boolean {
  return node.op === "value" && typeof node.args === "bigint";
}

function isTruth(node: unknown): boolean {
  return isNode(node) && node.op === "value" && typeof node.args === "boolean";
}

/** Visits a node and all inside it. */
export function walk(node: unknown, visit: (node: ASTNode) => void): void {
  if (Array.isArray(node)) for (const inner of node) walk(inner, visit);
  if (!isNode(node)) return;
  visit(node);
  walk(node.args, visit);
}

function isNode(node: unknown): node is ASTNode {
  return typeof node === "object" && node !== null && "op" in node && "args" in node;
}
