import { z } from "zod";
import { addFault, type BareFaultOf, type CheckSpot, isFault } from "../../platform/files/fault.ts";
import { definitionOf, parseAggregate, suggestAggregate } from "../aggregates/aggregate.ts";
import { ANY_WINDOW } from "../aggregates/aggregates.ts";
import { type NameType, parseExpression } from "../conditions/expression.ts";
import { EXPRESSION_TEXTS, type ExpressionFacts } from "../conditions/expression-texts.ts";
import { type Field, type Fields, shapeOf } from "../fields/field.ts";
import { aggregate } from "./aggregate-field.ts";
import { conditionTexts, type LevelsSpec } from "./levels-spec.ts";
import { SPEC_TEXTS, type SpecFacts } from "./spec-texts.ts";
import { VALUE_FIELDS } from "./value-fields.ts";
import { wherePatterns } from "./where-pattern.ts";
import { duration, WINDOW } from "./window-spec.ts";

/** A condition with more series than this is a mistake. */
const NAMES_MAX = 20;
const NAME = /^[A-Za-z_]\w{0,49}$/;
/** Reserved words of CEL, and names that every annotation has. */
const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while value rule severity state at active_at condition".split(
    " ",
  ),
);

const NAME_FIELDS = {
  metric: {
    schema: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
    doc: "Short for `where: { metric: ... }`.",
    takes: "name, list or glob",
  },
  where: {
    schema: wherePatterns.default({}),
    doc: "Which readings, in addition to the rule's `where`.",
    takes: "label: value, list or glob",
  },
  window: { ...WINDOW, doc: "Tumbling or hopping. Default: the rule's `window`." },
  aggregate: { schema: aggregate.default("avg"), doc: "What to compute.", takes: "aggregate" },
  offset: {
    schema: duration(1_000).optional(),
    doc: "Compares with earlier windows of the series: those that ended this long ago.",
    takes: "duration",
    synonyms: ["ago", "shift", "lag"],
    examples: [{ value: "1d", meaning: "the same time yesterday" }],
  },
  fill: { schema: z.enum(["none", "last"]).default("none"), doc: "As in a rule.", takes: "`none`, `last`" },
  ...VALUE_FIELDS,
} satisfies Fields;

/** The series of a condition, by name. */
const letSchema = z
  .record(z.string(), z.strictObject(shapeOf(NAME_FIELDS)))
  .meta({ minProperties: 1, propertyNames: { pattern: "^[A-Za-z_]\\w*$" } });

export type LetSpec = z.output<typeof letSchema>;

export const LET = {
  schema: letSchema.optional(),
  doc: "Several series in one condition, by name, each with its own window. `when` is then a condition in CEL over these names.",
  takes: "name: series",
  for: ["let"],
  fields: NAME_FIELDS,
  hasNames: true,
  hint(value, at) {
    if (at.length < 2) return { example: "let: { flow: { metric: flow } }" };
    const name = String(at[1]);
    const metric = typeof value === "string" || typeof value === "number" ? value : name;
    return { example: `${name}: { metric: ${metric} }` };
  },
  examples: [
    {
      value: { flow: { metric: "flow" }, current: { metric: "motor_current", aggregate: "max" } },
      meaning: 'two series of one group; with when: "current > 12 && flow < 0.5"',
    },
    {
      value: { now: { metric: "power" }, yesterday: { metric: "power", offset: "1d" } },
      meaning: 'a series and its values a day ago; with when: "now > 1.5 * yesterday"',
    },
  ],
} satisfies Field;

/** The type of each name. Only aggregates that can return texts may be texts. */
export function letNames(lets: LetSpec): Readonly<Record<string, NameType>> {
  return Object.fromEntries(
    Object.entries(lets).map(([name, own]) => [name, givesTexts(own.aggregate) ? "any" : "number"]),
  );
}

function givesTexts(text: string): boolean {
  const parsed = parseAggregate(text);
  return !isFault(parsed) && definitionOf(parsed).values(ANY_WINDOW).texts;
}

interface LetRule {
  readonly let?: LetSpec | undefined;
  readonly window?: LetSpec[string]["window"];
  readonly absent?: string | undefined;
  readonly when?: string | undefined;
  readonly levels?: LevelsSpec | undefined;
  readonly clear?: string | undefined;
}

/** Checks the fields of a rule over several series against each other. */
export function checkLet(rule: LetRule, context: z.RefinementCtx<unknown>): void {
  const lets = rule.let ?? {};
  const entries = Object.entries(lets);
  const path = ["let"];
  const part = "key";
  const report = (fault: BareFaultOf<SpecFacts> & CheckSpot) => addFault(context, SPEC_TEXTS, fault);
  if (rule.absent !== undefined) report({ code: "let_and_absent", facts: {}, path, part, beside: [["absent"]] });
  if (entries.length === 0) {
    report({ code: "let_empty", facts: {}, path, part });
    return;
  }
  if (entries.length > NAMES_MAX) {
    report({ code: "let_too_long", facts: { count: entries.length, max: NAMES_MAX }, path, part });
  }
  for (const [name, { window = rule.window, fill }] of entries) {
    const own = { path: [...path, name], part: "key", facts: { name } } as const;
    if (!NAME.test(name) || RESERVED.has(name)) report({ ...own, code: "let_bad_name" });
    if (window === undefined) report({ ...own, code: "let_no_window" });
    else if (window.tumbling === undefined && window.hopping === undefined) report({ ...own, code: "let_window_kind" });
    else if (fill === "last" && window.tumbling === undefined)
      report({ code: "fill_not_tumbling", facts: {}, path: [...path, name, "fill"] });
  }
  const names = Object.keys(lets);
  if (rule.when === undefined && rule.levels === undefined)
    report({ code: "let_without_when", facts: { names }, path, part });
  for (const { text, path: at } of conditionTexts(rule)) {
    const fault = expressionFault(text, lets);
    if (fault === undefined) continue;
    const beside = fault.code === "unknown_name" ? [["let"]] : [];
    addFault(context, EXPRESSION_TEXTS, { ...fault, path: [...at], beside });
  }
}

function expressionFault(text: string, lets: LetSpec): BareFaultOf<ExpressionFacts> | undefined {
  const good = Object.fromEntries(Object.entries(letNames(lets)).filter(([name]) => NAME.test(name)));
  const parsed = parseExpression(text, good);
  if (!isFault(parsed)) return undefined;
  if (parsed.code === "unknown_function") {
    const { name } = parsed.facts;
    const aggregate = isFault(parseAggregate(name)) ? suggestAggregate(name) : name;
    // `log` is near `last`, but nobody means it.
    const isMeant =
      parsed.facts.meant === undefined && (aggregate === name || /^(?:mean|average|std|delta|increase)/.test(name));
    return { ...parsed, facts: { ...parsed.facts, aggregate: isMeant ? aggregate : undefined } };
  }
  // `> 8` is valid in other rules.
  const isBare = /^\s*(?:[<>]=?|[=!]=|between\b|outside\b)/.test(text);
  const [first = "flow"] = Object.keys(lets);
  return isBare ? { code: "no_subject_named", facts: { text, first } } : parsed;
}
