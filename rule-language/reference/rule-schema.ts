import { NUMBER_PATTERN } from "../../domain/number-text.ts";
import { type FieldSchema, jsonSchemaOf } from "../../platform/files/known-keys.ts";
import { writtenFileSchema } from "../spec/rule-spec.ts";

const CONDITION_PATTERN =
  `^\\s*((>=|<=|==|!=|>|<)\\s*${NUMBER_PATTERN}` +
  `|([bB]etween|BETWEEN|[oO]utside|OUTSIDE)\\s+${NUMBER_PATTERN}\\s+[aA][nN][dD]\\s+${NUMBER_PATTERN}` +
  `|(==|!=)\\s*("[^"]*"|'[^']*'|[A-Za-z_]([\\w .-]*[\\w.-])?))\\s*$`;

/** A rule needs at least one of these. */
const SUBJECTS = ["window", "absent", "let"].map((field) => ({ required: [field] }));
const NOT_BOTH = {
  anyOf: [{ required: ["absent", "window"] }, { required: ["absent", "let"] }],
};

type Json = Readonly<Record<string, unknown>>;

/**
 * A JSON Schema (draft 7) with which editors complete, explain and check rule files. The fields come from their
 * table; only the constraints between them are added here.
 */
export function ruleFileJsonSchema(): Json {
  const plain = jsonSchemaOf(writtenFileSchema);
  const { defaults = {}, rules = {} } = plain.properties ?? {};
  const rule: FieldSchema = rules.items ?? {};
  return {
    ...plain,
    title: "Weir rule file",
    properties: {
      defaults: { ...defaults, not: NOT_BOTH },
      rules: {
        ...rules,
        items: {
          ...rule,
          description: "One rule: which readings, over which windows, and when it alerts.",
          not: NOT_BOTH,
          if: { required: ["let"] },
          // With `let` the condition is CEL. No pattern can describe CEL, but it must not be a plain condition.
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
          then: { required: ["when"], properties: conditions({ not: { pattern: CONDITION_PATTERN } }) },
          else: { properties: conditions({ pattern: CONDITION_PATTERN }) },
        },
      },
    },
    if: { required: ["defaults"], properties: { defaults: { anyOf: SUBJECTS } } },
    else: { properties: { rules: { items: { anyOf: SUBJECTS } } } },
  };
}

function conditions(constraint: Json): Json {
  return { when: constraint, clear: constraint };
}
