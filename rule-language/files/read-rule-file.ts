import { closest } from "../../platform/files/closest.ts";
import { type LibraryFault, openYaml, type Place, type YamlSource } from "../../platform/files/yaml-source.ts";
import { fillDefaults } from "../spec/defaults.ts";
import { defaultsSchema, ruleSpecSchema } from "../spec/rule-spec.ts";
import { mendIssues } from "./mend-issue.ts";
import { explainFault } from "./mend-yaml.ts";
import type { MendedIssue } from "./mended-issue.ts";
import { isRecord, type PlacedRule, placeRule, problemOf } from "./placed-rule.ts";
import { type ErrorCode, type RelatedPlace, type RuleProblem, withoutRepeats } from "./problem.ts";

export type { PlacedRule } from "./placed-rule.ts";

export interface RuleFile {
  readonly rules: readonly PlacedRule[];
  readonly problems: readonly RuleProblem[];
  readonly comments: YamlSource["comments"];
}

/** Faults behind which the rest can still be read as it was meant. */
const READABLE = new Set(["DUPLICATE_KEY"]);
/** Each mended line takes one more reading. */
const MENDED_MAX = 50;

/** Reads a rule file; tells every error at once. A rule with errors takes no other rule with it. */
export function readRuleFile(source: string, file: string): RuleFile {
  const { yaml, problems } = openMended(source, file);
  const { comments } = yaml;
  function fail(code: ErrorCode, place: Place, message: string, help: string): RuleFile {
    return {
      rules: [],
      comments,
      problems: [...problems, { code, severity: "error", file, place, message, help, related: [] }],
    };
  }
  const { value } = yaml;
  if (value === undefined || (problems.length > 0 && !isRecord(value))) return { rules: [], problems, comments };
  const top = yaml.placeOf([]);
  if (Array.isArray(value))
    return fail("E003", top, "the rules stand under no `rules:`", "write rules: on a line of its own above them");
  if (!isRecord(value))
    return fail(
      "E003",
      top,
      "this is no rule file",
      "a rule file begins with rules: and has one rule for each dash below",
    );
  if (!("rules" in value) || value.rules === null) {
    const other = Object.keys(value).filter((key) => key !== "rules" && key !== "defaults");
    if (other.length === 0)
      return fail("E006", top, "the file holds no rules", "write rules: and below it, for each rule, - id: its-name");
  }
  const related: RuleProblem[] = Object.keys(value)
    .filter((key) => key !== "rules" && key !== "defaults")
    .map((key) => ({
      ...({ code: "E002", severity: "error", file, place: yaml.placeOf([key], "key"), related: [] } as const),
      message: `unknown key \`${key}\``,
      help: isForDefaults(key)
        ? "did you mean `defaults`? it holds fields for all rules of the file"
        : "a rule file holds `rules:` and, if need be, `defaults:`; keys of a rule are indented below its dash",
    }));
  const defaults = readDefaults(value, yaml, file);
  const all = [...problems, ...related, ...defaults.problems];
  if (value.rules === undefined || value.rules === null) return { rules: [], problems: all, comments };
  if (!Array.isArray(value.rules)) {
    const place = yaml.placeOf(["rules"]);
    const bad = fail("E003", place, "`rules` is a list", "begin each rule with a dash: - id: cold-room-warm");
    return { ...bad, problems: [...all, ...bad.problems.slice(problems.length)] };
  }
  const rules: PlacedRule[] = [];
  for (const [i, raw] of value.rules.entries()) {
    const filled = fillDefaults(raw, defaults.fields);
    const checked = ruleSpecSchema.safeParse(filled);
    const at = ["rules", i];
    const rule = placeRule({ file, spec: checked.data, rule: raw, filled, at, placeOf: yaml.placeOf });
    rules.push(rule);
    for (const issue of mendIssues(checked.error?.issues ?? [], filled)) {
      if (!defaults.explains(issue, rule)) all.push(problemOf(issue, rule));
    }
  }
  return { rules, problems: withoutRepeats(all), comments };
}

interface Defaults {
  readonly fields: unknown;
  readonly problems: readonly RuleProblem[];
  /** Whether a rule's problem is one of the defaults, which is told there. */
  explains(issue: MendedIssue, rule: PlacedRule): boolean;
}

function readDefaults(value: Readonly<Record<string, unknown>>, yaml: YamlSource, file: string): Defaults {
  const fields = value.defaults;
  // What the rules lack may well be what was meant to be given.
  const explainsLacks = ({ code }: MendedIssue) => code === "E006" || code === "E004";
  if (!Object.hasOwn(value, "defaults")) {
    const isMisnamed = Object.keys(value).some(isForDefaults);
    return { fields: {}, problems: [], explains: isMisnamed ? explainsLacks : () => false };
  }
  if (!isRecord(fields)) {
    const problem: RuleProblem = {
      ...({ code: "E003", severity: "error", file, place: yaml.placeOf(["defaults"]), related: [] } as const),
      message: fields === null ? "nothing stands behind `defaults:`" : "`defaults` holds fields of a rule",
      help: "write the fields below it, indented and without a dash, like severity: critical",
    };
    return { fields: {}, problems: [problem], explains: explainsLacks };
  }
  const placed = placeRule({
    file,
    spec: undefined,
    rule: fields,
    filled: fields,
    at: ["defaults"],
    placeOf: yaml.placeOf,
  });
  const issues = mendIssues(defaultsSchema.safeParse(fields).error?.issues ?? [], fields);
  const faulty = new Set(issues.map(({ path }) => String(path[0])));
  return {
    fields,
    problems: issues.map((issue) => problemOf(ofDefaults(issue), placed)),
    explains({ path, message }, rule) {
      const isFaulty = (field: string) => faulty.has(field) && rule.originOf([field]) === "defaults";
      if (faulty.has(String(path[0])) && rule.originOf(path) === "defaults") return true;
      return [...message.matchAll(/`([a-z_]+)`/g)].some(([, field = ""]) => isFaulty(field));
    },
  };
}

function ofDefaults(issue: MendedIssue): MendedIssue {
  if (issue.code !== "E002" || issue.path.length > 1) return issue;
  const key = String(issue.path[0]);
  if (key === "id" || key === "name") return { ...issue, help: "each rule has an `id` of its own" };
  return key === "rules" || key === "defaults" ? { ...issue, help: "indent it less: it belongs to the file" } : issue;
}

function isForDefaults(key: string): boolean {
  return (
    /^(?:common|globals?|shared|all|base|template)$/i.test(key) || closest(key, ["defaults", "rules"]) === "defaults"
  );
}

/** Opens the YAML, and again with lines mended whose meaning is certain, so that what stands behind them is checked too. */
function openMended(source: string, file: string): { readonly yaml: YamlSource; readonly problems: RuleProblem[] } {
  const problems: RuleProblem[] = [];
  const lines = source.split("\n");
  const original = [...lines];
  let yaml = openYaml(source);
  for (let round = 0; round < MENDED_MAX; round++) {
    const faults = yaml.faults.map((fault) => ({ fault, explained: explainFault(fault, lines) }));
    // Each line once: a second try would only quote the quotes.
    const mended = faults.find(({ explained: { mendedLine, place } }) => mendedLine !== undefined && !isMended(place));
    // What follows a fault of the structure is mostly its echo.
    const told = mended ? [mended] : faults.filter(({ fault }, i) => i === 0 || READABLE.has(fault.code));
    for (const { fault, explained } of told) {
      if (mended === undefined && isMended(explained.place)) continue;
      const { place, message, help } = explained;
      problems.push({
        code: "E001",
        severity: "error",
        file,
        place,
        message,
        help,
        related: relatedOf(fault, yaml, file),
      });
    }
    if (mended?.explained.mendedLine === undefined) {
      const isReadable = yaml.faults.every(({ code }) => READABLE.has(code));
      return {
        yaml: {
          ...yaml,
          value: isReadable ? yaml.value : undefined,
          comments: yaml.comments.map(asWritten),
          placeOf: (...path) => asWritten(yaml.placeOf(...path)),
        },
        problems,
      };
    }
    lines[mended.explained.place.line - 1] = mended.explained.mendedLine;
    yaml = openYaml(lines.join("\n"));
  }
  return { yaml: { ...yaml, value: undefined }, problems };

  function isMended({ line }: Place): boolean {
    return lines[line - 1] !== original[line - 1];
  }

  /** A place on a mended line is shown on the line as it stands in the file. */
  function asWritten(place: Place): Place {
    const text = (original[place.line - 1] ?? "").replace(/\r$/, "");
    return { ...place, text, length: Math.max(1, Math.min(place.length, text.length - place.column + 1)) };
  }
}

function relatedOf(fault: LibraryFault, yaml: YamlSource, file: string): RelatedPlace[] {
  if (fault.code !== "DUPLICATE_KEY") return [];
  const key =
    fault.place.text
      .slice(fault.place.column - 1)
      .split(":")[0]
      ?.trim() ?? "";
  const first = yaml.firstOf(key, fault.place);
  return first ? [{ file, place: first, message: "first here" }] : [];
}
