import { openYaml, type Place, type YamlFault, type YamlSource } from "../../platform/yaml-source.ts";
import { mendIssues } from "./mend-issue.ts";
import { explainFault } from "./mend-yaml.ts";
import type { ErrorCode, RelatedPlace, RuleProblem } from "./problem.ts";
import { type RuleSpec, ruleSpecSchema } from "./rule-spec.ts";

/** A rule of a file, and where its parts stand. */
export interface PlacedRule {
  readonly file: string;
  /** Undefined when the rule has errors. */
  readonly spec: RuleSpec | undefined;
  /** The rule's id, right or not; undefined when there is none. */
  readonly id: string | undefined;
  /** Of a part of the rule: `["window", "tumbling"]`. */
  placeOf(path: readonly PropertyKey[], part?: "key" | "value"): Place;
  /** Whether the file says it, rather than a default. */
  says(field: string): boolean;
}

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
    const other = Object.keys(value).filter((key) => key !== "rules");
    if (other.length === 0)
      return fail("E006", top, "the file holds no rules", "write rules: and below it, for each rule, - id: its-name");
  }
  const related: RuleProblem[] = Object.keys(value)
    .filter((key) => key !== "rules")
    .map((key) => ({
      ...({ code: "E002", severity: "error", file, place: yaml.placeOf([key], "key"), related: [] } as const),
      message: `unknown key \`${key}\``,
      help: "a rule file holds `rules:` and nothing else; keys of a rule are indented below its dash",
    }));
  const all = [...problems, ...related];
  if (value.rules === undefined || value.rules === null) return { rules: [], problems: all, comments };
  if (!Array.isArray(value.rules)) {
    const place = yaml.placeOf(["rules"]);
    const bad = fail("E003", place, "`rules` is a list", "begin each rule with a dash: - id: cold-room-warm");
    return { ...bad, problems: [...all, ...bad.problems.slice(problems.length)] };
  }
  const rules: PlacedRule[] = [];
  for (const [i, raw] of value.rules.entries()) {
    const checked = ruleSpecSchema.safeParse(raw);
    const rule: PlacedRule = {
      file,
      spec: checked.data,
      id: isRecord(raw) && typeof raw.id === "string" ? raw.id : undefined,
      placeOf: (path, part) => yaml.placeOf(["rules", i, ...path], part),
      says: (field) => isRecord(raw) && Object.hasOwn(raw, field),
    };
    rules.push(rule);
    if (checked.error) all.push(...problemsOf(checked.error.issues, raw, rule));
  }
  return { rules, problems: all, comments };
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

function relatedOf(fault: YamlFault, yaml: YamlSource, file: string): RelatedPlace[] {
  if (fault.code !== "DUPLICATE_KEY") return [];
  const key =
    fault.place.text
      .slice(fault.place.column - 1)
      .split(":")[0]
      ?.trim() ?? "";
  const first = yaml.firstOf(key, fault.place);
  return first ? [{ file, place: first, message: "first here" }] : [];
}

function problemsOf(issues: Parameters<typeof mendIssues>[0], raw: unknown, rule: PlacedRule): RuleProblem[] {
  return mendIssues(issues, raw).map(({ code, path, part, message, help }): RuleProblem => {
    const place = rule.placeOf(path, part);
    const folded = /^[>|]/.test(place.text.slice(place.column - 1))
      ? explainFault({ code: "FOLDED", message, place }, [])
      : undefined;
    if (folded?.mendedLine !== undefined) {
      return {
        code: "E001",
        severity: "error",
        file: rule.file,
        place: folded.place,
        message: folded.message,
        help: folded.help,
        related: [],
      };
    }
    return {
      code,
      severity: "error",
      file: rule.file,
      place,
      message,
      ...(help === undefined ? {} : { help }),
      related: code === "E004" ? othersNamed(message, path, rule) : [],
    };
  });
}

/** The other fields that a message names, where they stand. */
function othersNamed(message: string, path: readonly PropertyKey[], rule: PlacedRule): RelatedPlace[] {
  const own = String(path.at(-1));
  const above = path.slice(0, -1);
  const names = new Set([...message.matchAll(/[a-z_]+/g)].map(([name]) => name));
  return [...names].flatMap((name) => {
    const there = [...above, name];
    if (name === own || (above.length === 0 && !rule.says(name))) return [];
    const place = rule.placeOf(there);
    const missing = rule.placeOf(above);
    if (place.line === missing.line && place.column === missing.column) return [];
    return [{ file: rule.file, place, message: `\`${name}\` stands here` }];
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
