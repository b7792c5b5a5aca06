import { z } from "zod";
import { SEVERITIES, type Severity } from "../../domain/alert.ts";
import type { Field, Fields } from "../fields/field.ts";
import { condition, conditionHint } from "./condition-field.ts";

const EXAMPLE = 'levels: { warning: "> 6", critical: "> 8" }';

const level = z
  .union([
    condition,
    z.strictObject({
      when: condition.describe("The condition of the level."),
      clear: condition.optional().describe("The condition that ends the level. Default: it no longer holds."),
    }),
  ])
  .optional();

const LEVEL = {
  schema: level,
  takes: "condition, or { when, clear }",
  hint: (value: unknown, at: readonly PropertyKey[]) =>
    at.length > 2 ? conditionHint(String(at.at(-1)), value) : { example: EXAMPLE },
} as const;

const LEVEL_FIELDS = {
  info: { ...LEVEL, doc: "When the alert has this severity." },
  warning: { ...LEVEL, doc: "As above." },
  critical: { ...LEVEL, doc: "As above." },
} satisfies Fields;

const levelsSchema = z.strictObject({ info: level, warning: level, critical: level }).meta({ minProperties: 1 });

export type LevelsSpec = z.output<typeof levelsSchema>;

/** Instead of `when`: one alert whose severity follows its value. */
export const LEVELS = {
  schema: levelsSchema.optional(),
  doc: "Instead of `when` and `severity`: conditions by severity. One alert, whose severity changes with its value.",
  takes: "severity: condition",
  for: ["window", "let"],
  synonyms: ["severities", "thresholds", "limits"],
  fields: LEVEL_FIELDS,
  hint: (_, at) => (at.length < 2 ? { example: EXAMPLE } : LEVEL.hint(_, at)),
  examples: [
    {
      value: { warning: "> 6", critical: "> 8" },
      meaning: "7 is a warning, 9 is critical: one incident, which changes its severity",
    },
    {
      value: { warning: "> 6", critical: { when: "> 8", clear: "< 7.5" } },
      meaning: "critical until it is below 7.5",
    },
  ],
} satisfies Field;

/** A level of an alert. */
export interface Level {
  readonly severity: Severity;
  readonly when: string;
  readonly clear: string | undefined;
}

/** The levels of a rule, the least severe first. A rule with `when` has one; a rule without a condition has none. */
export function levelsOf(rule: LevelFields): readonly Level[] {
  const { levels, when, clear, severity } = rule;
  if (levels === undefined) return when === undefined ? [] : [{ severity, when, clear }];
  return SEVERITIES.flatMap((name): Level[] => {
    const own = levels[name];
    if (own === undefined) return [];
    return [{ severity: name, clear: undefined, ...(typeof own === "string" ? { when: own } : own) }];
  }).map((level, i) => (i === 0 ? { ...level, clear: level.clear ?? clear } : level));
}

/** Whether a rule can raise alerts. */
export function hasAlert({ when, levels, absent }: Partial<LevelFields> & { readonly absent?: unknown }): boolean {
  return when !== undefined || levels !== undefined || absent !== undefined;
}

export interface LevelFields {
  readonly levels?: LevelsSpec | undefined;
  readonly when?: string | undefined;
  readonly clear?: string | undefined;
  readonly severity: Severity;
}

/** Every condition that a rule states, with its place. */
export function conditionTexts(
  rule: Omit<LevelFields, "severity">,
): readonly { readonly text: string; readonly path: readonly string[] }[] {
  const plain = (["when", "clear"] as const).map((field) => ({ text: rule[field], path: [field] }));
  const ofLevels = Object.entries(rule.levels ?? {}).flatMap(([name, level]) => {
    if (typeof level !== "object") return [{ text: level, path: ["levels", name] }];
    return (["when", "clear"] as const).map((field) => ({ text: level[field], path: ["levels", name, field] }));
  });
  return [...plain, ...ofLevels].flatMap(({ text, path }) => (text === undefined ? [] : [{ text, path }]));
}
