import type { ASTNode } from "@marcbachmann/cel-js";
import { LANGUAGE, walk } from "./expression.ts";

/** What an expression over one message may use. */
export interface MessageValues {
  readonly topic: string;
  /** The whole payload. */
  readonly payload: unknown;
  /** The element that is read: the payload, unless it is read in parts. */
  readonly item: unknown;
  /** Captures of the topic and keys of the elements. */
  readonly captured: Readonly<Record<string, string>>;
  /** The position of the element in the array around it; 0 if there is none. */
  readonly index: number;
  /** The time of receipt in milliseconds. */
  readonly received: number;
}

/** An expression in CEL over one message. */
export interface PayloadExpression {
  readonly text: string;
  /** Undefined: it has no value, because a field is missing or has another type. */
  evaluate(values: MessageValues): unknown;
}

const MACROS = ["all", "exists", "exists_one", "map", "filter"];
const NAMES = { topic: "string", payload: "dyn", item: "dyn", captured: "map", index: "dyn", received: "dyn" } as const;
const ENVIRONMENT = LANGUAGE.clone();
for (const [name, type] of Object.entries(NAMES)) ENVIRONMENT.registerVariable(name, type);

export interface ExpressionUse {
  /** It is true or false. */
  readonly isCondition: boolean;
  /** It is evaluated for each part of a payload, and not once. */
  readonly isForParts?: boolean;
}

/** The expression, or what is wrong with it: a text that can follow its source. */
export function parsePayloadExpression(
  text: string,
  { isCondition, isForParts = false }: ExpressionUse,
): PayloadExpression | string {
  const { valid, type, error } = ENVIRONMENT.check(text);
  if (!valid) {
    const reason = error?.summary ?? error?.message.split("\n", 1)[0] ?? "syntax error";
    return `${reason}. Names are ${Object.keys(NAMES).join(", ")}: payload.battery < 20`;
  }
  const kind = String(type);
  if (isCondition && kind !== "bool" && kind !== "dyn") return `it gives ${kind}, and a condition is true or false`;
  const parsed = ENVIRONMENT.parse(text);
  const problem = costProblem(parsed.ast, isCondition && !isForParts ? 1 : 0);
  if (problem !== undefined) return problem;
  return {
    text,
    evaluate(values) {
      try {
        return parsed({ ...values });
      } catch {
        return undefined;
      }
    },
  };
}

/** Payloads come from outside, so the time must be in proportion to their size. */
function costProblem(ast: ASTNode, loopsMax: number): string | undefined {
  let problem: string | undefined;
  let loops = 0;
  walk(ast, (node) => {
    if (node.op !== "rcall" || !Array.isArray(node.args)) return;
    const [name] = node.args;
    if (name === "matches") problem ??= "matches() can take exponential time: use contains, startsWith or endsWith";
    if (MACROS.includes(String(name))) loops++;
  });
  if (loops > loopsMax) {
    const most =
      loopsMax === 0
        ? "a condition (`when`) may have one, what is evaluated for each part (`skip`, `compute`) none"
        : "one at most";
    problem ??= `it has ${loops} loops (${MACROS.join(", ")}): ${most}, because more can take too long`;
  }
  return problem;
}
