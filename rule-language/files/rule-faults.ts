import type { z } from "zod";
import {
  type BareFaultOf,
  type CheckSpot,
  type FaultOf,
  type FaultText,
  type FaultTexts,
  type Path,
  textOf,
} from "../../platform/files/fault.ts";
import { type FieldSchema, jsonSchemaOf } from "../../platform/files/known-keys.ts";
import { faultsOf, flatIssues, type SchemaFaultOptions, withoutShadows } from "../../platform/files/schema-faults.ts";
import { SCHEMA_TEXTS, type SchemaFacts } from "../../platform/files/schema-texts.ts";
import { YAML_TEXTS, type YamlFacts } from "../../platform/files/yaml-texts.ts";
import { AGGREGATE_TEXTS, type AggregateFacts } from "../aggregates/aggregate-texts.ts";
import { CALENDAR_TEXTS, type CalendarFacts } from "../calendar/calendar-texts.ts";
import { CONDITION_TEXTS, type ConditionFacts } from "../conditions/condition-texts.ts";
import { EXPRESSION_TEXTS, type ExpressionFacts } from "../conditions/expression-texts.ts";
import { type Fields, fieldIn } from "../fields/field.ts";
import { ALL_RULE_FIELDS } from "../spec/rule-fields.ts";
import { ruleSpecSchema } from "../spec/rule-spec.ts";
import { SPEC_TEXTS, type SpecFacts } from "../spec/spec-texts.ts";
import { TEMPLATE_TEXTS, type TemplateFacts } from "../template/template-texts.ts";
import type { ErrorCode } from "./errors.ts";
import { FILE_TEXTS, type FileFacts } from "./file-texts.ts";

/** The facts of every fault of a rule file. */
export interface RuleFacts
  extends YamlFacts,
    SchemaFacts,
    AggregateFacts,
    CalendarFacts,
    ConditionFacts,
    ExpressionFacts,
    FileFacts,
    SpecFacts,
    TemplateFacts {}

export type RuleFault = FaultOf<RuleFacts>;
export type BareRuleFault = BareFaultOf<RuleFacts>;

/** The text of each fault. Error texts are created nowhere else. */
const RULE_TEXTS: FaultTexts<RuleFacts> = {
  ...YAML_TEXTS,
  ...SCHEMA_TEXTS,
  ...AGGREGATE_TEXTS,
  ...CALENDAR_TEXTS,
  ...CONDITION_TEXTS,
  ...EXPRESSION_TEXTS,
  ...FILE_TEXTS,
  ...SPEC_TEXTS,
  ...TEMPLATE_TEXTS,
  unknown_key(facts) {
    const text = SCHEMA_TEXTS.unknown_key(facts);
    const isOfRule = facts.meant === undefined && facts.elsewhere[0]?.map === "";
    return isOfRule ? { ...text, help: `\`${facts.key}\` belongs to the rule: indent it less` } : text;
  },
};

export function ruleFaultText(fault: BareRuleFault): FaultText {
  return textOf(RULE_TEXTS, fault);
}

const CODES: Readonly<Partial<Record<keyof RuleFacts, ErrorCode>>> = {
  unknown_key: "E002",
  renamed_key: "E002",
  unknown_top_key: "E002",
  defaults_in_rule: "E002",
  id_in_defaults: "E002",
  file_key_in_defaults: "E002",
  bad_id: "E003",
  bad_exclusion: "E003",
  active_empty: "E004",
  check_failed: "E004",
  id_used_twice: "E005",
  missing_key: "E006",
  no_subject: "E006",
  hopping_alone: "E006",
  no_rules: "E006",
  unreadable: "E007",
  wrong_encoding: "E007",
};

/** The public code of a fault. */
export function errorCodeOf(code: keyof RuleFacts): ErrorCode {
  const own = CODES[code];
  if (own !== undefined) return own;
  if (code in YAML_TEXTS) return "E001";
  return code in SPEC_TEXTS || code in EXPRESSION_TEXTS ? "E004" : "E003";
}

let schema: FieldSchema | undefined;

/** The faults that the schema finds in a rule, without those that only follow from others. */
export function ruleFaults(issues: readonly z.core.$ZodIssue[], rule: unknown): RuleFault[] {
  if (issues.length === 0) return [];
  schema ??= jsonSchemaOf(ruleSpecSchema);
  const options: SchemaFaultOptions = {
    ...{ root: rule, schema, synonyms: SYNONYMS, words: WORDS, homes: HOMES },
    describe: (at, value) => fieldIn(ALL_RULE_FIELDS, at)?.hint?.(value, at) ?? {},
  };
  const faults = flatIssues(issues).flatMap((issue): RuleFault[] => carried(issue) ?? faultsOf(issue, options));
  return withoutConsequences(withoutShadows(faults), rule);
}

/** The fault that a schema check attached to its issue. */
function carried(issue: z.core.$ZodIssue): RuleFault[] | undefined {
  const fault: unknown = issue.code === "custom" ? issue.params?.fault : undefined;
  return isRuleFault(fault) ? [{ ...fault, at: issue.path, part: fault.part ?? "value" }] : undefined;
}

function isRuleFault(value: unknown): value is BareRuleFault & CheckSpot {
  if (typeof value !== "object" || value === null || !("code" in value)) return false;
  return typeof value.code === "string" && Object.hasOwn(RULE_TEXTS, value.code);
}

const SUBJECTS = ["window", "absent", "let"];

function withoutConsequences(faults: readonly RuleFault[], rule: unknown): RuleFault[] {
  const hasLet = typeof rule === "object" && rule !== null && "let" in rule;
  const unknown = faults.filter(({ code }) => code === "unknown_key");
  const meansSubject = faults.some(
    ({ code, facts }) => code === "unknown_key" && "meant" in facts && SUBJECTS.includes(facts.meant ?? ""),
  );
  const hasUnknownBelow = (at: Path) =>
    unknown.some((other) => other.at.length > at.length && at.every((step, i) => step === other.at[i]));
  return faults.filter(({ code, at }) => {
    switch (code) {
      case "bad_condition":
      case "empty_range":
        // With `let` the condition is an expression, which has its own fault.
        return !(hasLet && at.length === 1);
      case "no_subject":
        return !meansSubject;
      case "active_empty":
      case "window_kinds":
        return !hasUnknownBelow(at);
      default:
        return true;
    }
  });
}

/** Keys that people put into a rule by mistake, and where they belong. */
const HOMES = {
  metric: { map: "where", key: "metric" },
  device: { map: "where", key: "device" },
  site: { map: "where", key: "site" },
  not: { map: "where", key: "site", value: '"!lab"' },
  exclude: { map: "where", key: "site", value: '"!lab"' },
  unless: { map: "where", key: "site", value: '"!lab"' },
  ignore: { map: "where", key: "site", value: '"!lab"' },
  summary: { map: "annotations", key: "summary" },
  description: { map: "annotations", key: "description" },
  message: { map: "annotations", key: "message" },
  runbook: { map: "annotations", key: "runbook" },
} as const;

const SYNONYMS = synonymsOf(ALL_RULE_FIELDS);
const WORDS: Readonly<Record<string, string>> = Object.assign(
  {},
  ...Object.values(ALL_RULE_FIELDS).map(({ words }) => words),
);

function synonymsOf(fields: Fields): Record<string, string> {
  const synonyms: Record<string, string> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (field.fields !== undefined) Object.assign(synonyms, synonymsOf(field.fields));
    for (const word of field.synonyms ?? []) synonyms[word] = name;
  }
  return synonyms;
}
