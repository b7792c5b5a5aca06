import { z } from "zod";
import { parseDurationUs } from "../../domain/time.ts";
import { addFault, type BareFaultOf, type CheckSpot, isFault } from "../../platform/files/fault.ts";
import { parseCondition } from "../conditions/condition.ts";
import { CONDITION_TEXTS } from "../conditions/condition-texts.ts";
import { isExpression, namesIn } from "../conditions/expression.ts";
import { shapeOf } from "../fields/field.ts";
import { fillFile } from "./defaults.ts";
import { SERIES } from "./grouping.ts";
import { checkLet, type LetSpec } from "./let-spec.ts";
import { conditionTexts, type LevelsSpec, levelsOf } from "./levels-spec.ts";
import { RULE_FIELDS } from "./rule-fields.ts";
import { SPEC_TEXTS, type SpecFacts } from "./spec-texts.ts";
import { checkWindowCost } from "./window-cost.ts";

/**
 * The schema of a rule. Its fields are in `rule-fields.ts`; the checks between fields are here. A rule that passes is
 * a `RuleSpec`, which the engine, the log and the tools rely on. `files/read-rule-file.ts` reads rule files, and
 * `read-rule-set.ts` reads rule sets from the log.
 */

const ruleFields = z.strictObject(shapeOf(RULE_FIELDS));

/** One rule, as people write it and, with its defaults filled in, as the log stores it. */
export const ruleSpecSchema = ruleFields
  .superRefine((rule, context) => {
    checkSubject(rule, context);
    checkAggregates(rule, context);
    checkLevels(rule, context);
    if (rule.let !== undefined) checkLet(rule, context);
  })
  .transform((rule) => {
    // The severity of a rule with levels is the greatest that its alerts can have.
    const severity = rule.levels === undefined ? rule.severity : (levelsOf(rule).at(-1)?.severity ?? rule.severity);
    // Each series of a condition has its own metric, so groups cannot include it.
    const isListed = rule.let !== undefined && rule.group_by !== SERIES;
    return {
      ...rule,
      severity,
      ...(isListed && { group_by: [rule.group_by].flat().filter((label) => label !== "metric") }),
    };
  });

export type RuleSpec = z.output<typeof ruleSpecSchema>;

interface CheckedFields {
  readonly let?: LetSpec | undefined;
  readonly window?: { readonly tumbling?: string | undefined } | undefined;
  readonly absent?: string | undefined;
  /** Still as written if one of them is invalid. */
  readonly aggregate: string | readonly string[];
  readonly fill: string;
  readonly when?: string | undefined;
  readonly levels?: LevelsSpec | undefined;
  readonly clear?: string | undefined;
  readonly for: string;
  readonly keep_firing_for: string;
}

type Context = z.RefinementCtx<unknown>;

/** The subject of a rule decides which conditions it may have. */
function checkSubject(rule: CheckedFields, context: Context): void {
  const report = (fault: BareFaultOf<SpecFacts> & CheckSpot) => addFault(context, SPEC_TEXTS, fault);
  const beside = [["absent"]];
  if (rule.window === undefined && rule.absent === undefined && rule.let === undefined)
    report({ code: "no_subject", facts: { key: "window" }, path: ["window"] });
  if (rule.let === undefined) checkPlainConditions(rule, context);
  if (rule.absent !== undefined) {
    if (rule.window !== undefined)
      report({ code: "window_and_absent", facts: {}, path: ["absent"], beside: [["window"]] });
    for (const key of ["when", "levels", "clear"] as const)
      if (rule[key] !== undefined) report({ code: "not_with_absent", facts: { key }, path: [key], beside });
    for (const key of ["for", "keep_firing_for"] as const)
      if (parseDurationUs(rule[key]) !== 0)
        report({ code: "no_hold_with_absent", facts: { key }, path: [key], beside });
  } else if (rule.clear !== undefined && rule.when === undefined && rule.levels === undefined)
    report({ code: "clear_without_when", facts: {}, path: ["clear"] });
}

function checkLevels({ levels, when, clear }: CheckedFields, context: Context): void {
  if (levels === undefined) return;
  const report = (fault: BareFaultOf<SpecFacts> & CheckSpot) => addFault(context, SPEC_TEXTS, fault);
  const path = ["levels"];
  const own = Object.values(levels).filter((level) => level !== undefined);
  if (own.length === 0) report({ code: "levels_empty", facts: {}, path });
  if (when !== undefined) report({ code: "when_and_levels", facts: {}, path, part: "key", beside: [["when"]] });
  const [least] = levelsOf({ levels, severity: "info" });
  const isTwice = clear !== undefined && least?.clear !== undefined;
  if (isTwice) report({ code: "clear_twice", facts: { level: least.severity }, path: ["clear"], beside: [["levels"]] });
}

/** An expression needs `let`. The field itself reports a text that is neither a condition nor an expression. */
function checkPlainConditions(rule: CheckedFields, context: Context): void {
  for (const { text, path } of conditionTexts(rule)) {
    const parsed = parseCondition(text);
    if (!isFault(parsed) || !isExpression(text)) continue;
    const named =
      parsed.code === "bad_condition" ? { ...parsed, facts: { ...parsed.facts, names: namesIn(text) } } : parsed;
    addFault(context, CONDITION_TEXTS, { ...named, path: [...path] });
  }
}

function checkAggregates(rule: CheckedFields, context: Context): void {
  const report = (fault: BareFaultOf<SpecFacts> & CheckSpot) => addFault(context, SPEC_TEXTS, fault);
  const path = ["aggregate"];
  const beside = [["window"]];
  const names = [rule.aggregate].flat();
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) report({ code: "aggregate_twice", facts: { name: twice }, path });
  if (rule.window?.tumbling !== undefined) return;
  if (rule.fill === "last") report({ code: "fill_not_tumbling", facts: {}, path: ["fill"], beside });
}

/** Fields that the rules of a file share. */
export const defaultsSchema = ruleFields
  .omit({ id: true })
  .partial()
  .superRefine((fields, context) => {
    for (const other of ["window", "let"] as const) {
      if (fields.absent === undefined || fields[other] === undefined) continue;
      addFault(context, SPEC_TEXTS, {
        ...{ code: "default_and_absent", facts: { other }, path: ["absent"], beside: [[other]] },
      });
    }
  })
  .describe("Fields for all rules of this file that do not set them.");

/** A rule of a file. The log can hold one of an older version that costs more. */
export const writtenRuleSchema = ruleSpecSchema.superRefine(checkWindowCost);

/** A rule file as written: its rules may omit fields that `defaults` sets. */
export const writtenFileSchema = z.strictObject({
  defaults: defaultsSchema.optional(),
  rules: z.array(writtenRuleSchema).describe("The rules of this file."),
});

/** A rule file whose rules have their defaults filled in. */
export const ruleFileSchema = z.preprocess(fillFile, writtenFileSchema);
