import { closest } from "../../platform/files/closest.ts";
import type { Path } from "../../platform/files/fault.ts";
import { openLenient } from "../../platform/files/lenient-yaml.ts";
import { wordAt, type YamlFault } from "../../platform/files/yaml-faults.ts";
import type { Place, YamlSource } from "../../platform/files/yaml-source.ts";
import { fillDefaults } from "../spec/defaults.ts";
import { defaultsSchema, writtenRuleSchema } from "../spec/rule-spec.ts";
import { isRecord, type PlacedRule, placeRule, problemOf } from "./placed-rule.ts";
import { errorAt, type RelatedPlace, type RuleProblem, withoutRepeats } from "./problem.ts";
import { type BareRuleFault, errorCodeOf, type RuleFault, ruleFaults } from "./rule-faults.ts";

export type { PlacedRule } from "./placed-rule.ts";

/** The contents of a rule file. Each rule has a place, and a spec if it has no errors. */
export interface RuleFile {
  readonly rules: readonly PlacedRule[];
  readonly problems: readonly RuleProblem[];
  readonly comments: YamlSource["comments"];
}

const TOP_KEYS = ["rules", "defaults"];

/**
 * Reads a rule file and reports every error at once. A rule with errors does not affect the others. A fault is first
 * found as facts (`rule-faults.ts`), then gets a place here, and finally a text (`problem.ts`).
 */
export function readRuleFile(source: string, file: string): RuleFile {
  const { yaml, faults } = openLenient(source);
  const { comments, value } = yaml;
  const problems = faults.map((fault) =>
    errorAt(fault, { file, place: fault.place, related: relatedOf(fault, yaml, file) }),
  );
  if (value === undefined || (problems.length > 0 && !isRecord(value))) return { rules: [], problems, comments };
  const failure = topFault(value);
  if (failure !== undefined || !isRecord(value)) {
    const place = yaml.placeOf([]);
    return { rules: [], comments, problems: [...problems, ...(failure ? [errorAt(failure, { file, place })] : [])] };
  }
  for (const key of Object.keys(value)) {
    if (TOP_KEYS.includes(key)) continue;
    const fault = { code: "unknown_top_key", facts: { key, isForDefaults: isForDefaults(key) } } as const;
    problems.push(errorAt(fault, { file, place: yaml.placeOf([key], "key") }));
  }
  const defaults = readDefaults(value, yaml, file);
  problems.push(...defaults.problems);
  const rules: PlacedRule[] = [];
  if (Array.isArray(value.rules)) {
    for (const [i, raw] of value.rules.entries()) {
      const filled = fillDefaults(raw, defaults.fields);
      const checked = writtenRuleSchema.safeParse(filled);
      const at = ["rules", i];
      const rule = placeRule({ file, spec: checked.data, rule: raw, filled, at, placeOf: yaml.placeOf });
      rules.push(rule);
      for (const fault of ruleFaults(checked.error?.issues ?? [], filled)) {
        if (!defaults.explains(fault, rule)) problems.push(problemOf(inRule(fault), rule));
      }
    }
  } else if (value.rules !== undefined && value.rules !== null) {
    problems.push(errorAt({ code: "rules_not_a_list", facts: {} }, { file, place: yaml.placeOf(["rules"]) }));
  }
  return { rules, problems: withoutRepeats(problems), comments };
}

/** A fault of the file as a whole. */
function topFault(value: unknown): BareRuleFault | undefined {
  if (Array.isArray(value)) return { code: "list_at_top", facts: {} };
  if (!isRecord(value)) return { code: "not_a_rule_file", facts: {} };
  const hasRules = "rules" in value && value.rules !== null;
  const others = Object.keys(value).filter((key) => !TOP_KEYS.includes(key));
  return hasRules || others.length > 0 ? undefined : { code: "no_rules", facts: {} };
}

function inRule(fault: RuleFault): RuleFault {
  const isDefaults = fault.code === "unknown_key" && fault.at.length === 1 && fault.facts.key === "defaults";
  return isDefaults ? { at: fault.at, part: "key", code: "defaults_in_rule", facts: {} } : fault;
}

interface Defaults {
  readonly fields: unknown;
  readonly problems: readonly RuleProblem[];
  /** Whether a rule's fault comes from the defaults, which report it. */
  explains(fault: RuleFault, rule: PlacedRule): boolean;
}

function readDefaults(value: Readonly<Record<string, unknown>>, yaml: YamlSource, file: string): Defaults {
  const fields = value.defaults;
  // The rule may lack exactly the default that could not be read.
  const explainsLacks = ({ code }: RuleFault) => ["E004", "E006"].includes(errorCodeOf(code));
  if (!Object.hasOwn(value, "defaults")) {
    const isMisnamed = Object.keys(value).some(isForDefaults);
    return { fields: {}, problems: [], explains: isMisnamed ? explainsLacks : () => false };
  }
  if (!isRecord(fields)) {
    const code = fields === null ? "defaults_empty" : "defaults_not_a_map";
    const problem = errorAt({ code, facts: {} }, { file, place: yaml.placeOf(["defaults"]) });
    return { fields: {}, problems: [problem], explains: explainsLacks };
  }
  const written = { file, spec: undefined, rule: fields, filled: fields, at: ["defaults"] };
  const placed = placeRule({ ...written, placeOf: yaml.placeOf });
  const faults = ruleFaults(defaultsSchema.safeParse(fields).error?.issues ?? [], fields);
  const faulty = new Set(faults.map(({ at }) => String(at[0])));
  return {
    fields,
    problems: faults.map((fault) => problemOf(inDefaults(fault), placed)),
    explains({ at, beside = [] }, rule) {
      const isFaulty = (path: Path) => faulty.has(String(path[0])) && rule.originOf(path.slice(0, 1)) === "defaults";
      return (faulty.has(String(at[0])) && rule.originOf(at) === "defaults") || beside.some(isFaulty);
    },
  };
}

function inDefaults(fault: RuleFault): RuleFault {
  if (fault.code !== "unknown_key" || fault.at.length > 1) return fault;
  const { at, part, facts } = fault;
  const { key } = facts;
  if (key === "id" || key === "name") return { at, part, code: "id_in_defaults", facts: { key } };
  return TOP_KEYS.includes(key) ? { at, part, code: "file_key_in_defaults", facts: { key } } : fault;
}

function isForDefaults(key: string): boolean {
  return (
    /^(?:common|globals?|shared|all|base|template)$/i.test(key) || closest(key, ["defaults", "rules"]) === "defaults"
  );
}

function relatedOf(fault: YamlFault, yaml: YamlSource, file: string): RelatedPlace[] {
  if (fault.code !== "key_twice") return [];
  const first: Place | undefined = yaml.firstOf(wordAt(fault.place), fault.place);
  return first ? [{ file, place: first, message: "first here" }] : [];
}
