import { z } from "zod";
import { isFault, type NameType, parseExpression } from "../conditions/expression.ts";
import { aggregate, names, window } from "./window-spec.ts";

/** More series than this in one condition is a mistake. */
const NAMES_MAX = 20;
const NAME = /^[A-Za-z_]\w{0,49}$/;
/** Words of CEL, and of the places in annotations. */
const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while value rule severity state at active_at condition".split(
    " ",
  ),
);

/** One of the series that a condition looks at. */
export const letSchema = z.record(
  z.string(),
  z.strictObject({
    metric: z
      .union([z.string(), z.array(z.string()).min(1)])
      .optional()
      .describe("Short for `where: { metric: ... }`."),
    where: names.default({}).describe("Which readings, besides the rule's own `where`."),
    window: window.optional().describe("Tumbling or hopping. Default: the rule's `window`."),
    aggregate: aggregate.default("avg").describe("What to compute."),
    fill: z.enum(["none", "last"]).default("none").describe("As in a rule."),
  }),
);

export type LetSpec = z.output<typeof letSchema>;

/** What each name stands for; only `last` may be a text. */
export function letNames(lets: LetSpec): Readonly<Record<string, NameType>> {
  return Object.fromEntries(
    Object.entries(lets).map(([name, { aggregate }]) => [name, aggregate === "last" ? "any" : "number"]),
  );
}

interface LetRule {
  readonly let?: LetSpec | undefined;
  readonly window?: LetSpec[string]["window"];
  readonly absent?: string | undefined;
  readonly when?: string | undefined;
  readonly clear?: string | undefined;
}

export interface LetProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly help: string;
}

/** What is wrong with a rule over several series. */
export function* letProblems(rule: LetRule): Iterable<LetProblem> {
  const lets = rule.let ?? {};
  const entries = Object.entries(lets);
  const path = ["let"];
  if (rule.absent !== undefined) {
    const help = "keep one of the two; two questions are two rules";
    yield { path, message: "a rule has either `let` or `absent`, not both", help };
  }
  if (entries.length === 0) {
    yield { path, message: "`let` names no series", help: "write for example let: { flow: { metric: flow } }" };
    return;
  }
  if (entries.length > NAMES_MAX) {
    yield { path, message: `\`let\` names ${entries.length} series`, help: `it may name ${NAMES_MAX}` };
  }
  for (const [name, { window = rule.window, fill }] of entries) {
    const own = [...path, name];
    if (!NAME.test(name) || RESERVED.has(name)) {
      const help = "letters, digits and _, like motor_current; and no word of the language";
      yield { path: own, message: `"${name}" cannot be a name in a condition`, help };
    }
    if (window === undefined) {
      const help = "add window: { tumbling: 30s } to it, or to the rule for all names";
      yield { path: own, message: `\`${name}\` has no window`, help };
    } else if (window.tumbling === undefined && window.hopping === undefined) {
      const help = "windows of several series are compared where they end: use tumbling or hopping";
      yield { path: own, message: `\`${name}\` needs a tumbling or hopping window`, help };
    } else if (fill === "last" && window.tumbling === undefined) {
      yield { path: [...own, "fill"], message: "`fill: last` needs a tumbling window", help: "or remove `fill`" };
    }
  }
  yield* conditionProblems(rule, lets);
}

function* conditionProblems(rule: LetRule, lets: LetSpec): Iterable<LetProblem> {
  const known = Object.keys(lets);
  if (rule.when === undefined) {
    const help = `write for example when: "${known.map((name) => `${name} > 10`).join(" && ")}"`;
    yield { path: ["let"], message: "a rule with `let` needs `when`", help };
  }
  const good = Object.fromEntries(Object.entries(letNames(lets)).filter(([name]) => NAME.test(name)));
  for (const field of ["when", "clear"] as const) {
    const text = rule[field];
    const parsed = text === undefined ? undefined : parseExpression(text, good);
    if (parsed === undefined || !isFault(parsed)) continue;
    const [first = "flow"] = known;
    // `> 8` is right in other rules.
    const isBare = text !== undefined && /^\s*(?:[<>]=?|[=!]=|between\b|outside\b)/.test(text);
    const help = isBare ? `say of which: ${first} ${text.trim()}` : parsed.help;
    yield { path: [field], message: isBare ? `"${text}" says not which series it is about` : parsed.message, help };
  }
}
