import type { Place } from "../../platform/files/yaml-source.ts";
import { originOf } from "../spec/defaults.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { explainFault } from "./mend-yaml.ts";
import type { MendedIssue } from "./mended-issue.ts";
import type { RelatedPlace, RuleProblem } from "./problem.ts";

/** A rule of a file, and where its parts stand. */
export interface PlacedRule {
  readonly file: string;
  /** Undefined when the rule has errors. */
  readonly spec: RuleSpec | undefined;
  /** The rule's id, right or not; undefined when there is none. */
  readonly id: string | undefined;
  /** Of a part of the rule: `["window", "tumbling"]`; in `defaults` when the rule has it from there. */
  placeOf(path: Path, part?: "key" | "value"): Place;
  /** Whether the rule itself says it, its file's defaults do, or neither. */
  originOf(path: Path): "rule" | "defaults" | undefined;
  /** Whether the rule itself says it. */
  says(field: string): boolean;
}

type Path = readonly PropertyKey[];

interface PlacedRuleOptions {
  readonly file: string;
  readonly spec: RuleSpec | undefined;
  /** As it is written. */
  readonly rule: unknown;
  /** With the defaults. */
  readonly filled: unknown;
  /** Where the rule stands in the file. */
  readonly at: Path;
  placeOf(path: Path, part?: "key" | "value"): Place;
}

export function placeRule(options: PlacedRuleOptions): PlacedRule {
  const { file, spec, rule, at, placeOf } = options;
  return {
    file,
    spec,
    id: isRecord(rule) && typeof rule.id === "string" ? rule.id : undefined,
    placeOf: (path, part) => placeOf([...(originOf(path, options) === "defaults" ? ["defaults"] : at), ...path], part),
    originOf: (path) => originOf(path, options),
    says: (field) => originOf([field], options) === "rule",
  };
}

/**
 * Where to tell of a part of a rule, and of what it has to do with. A default that does not go with what a rule says is
 * told at the rule: the default may be right for all others.
 */
export function tellAt(
  rule: PlacedRule,
  path: Path,
  { beside, part }: { readonly beside: readonly Path[]; readonly part?: "key" | "value" | undefined },
): { readonly place: Place; readonly related: RelatedPlace[] } {
  const there = beside.filter((other) => rule.originOf(other) !== undefined);
  const own = rule.originOf(path) === "defaults" ? there.find((other) => rule.originOf(other) === "rule") : undefined;
  const others = own === undefined ? there : [path, ...there.filter((other) => other !== own)];
  return {
    place: own === undefined ? rule.placeOf(path, part) : rule.placeOf(own),
    related: others.map((other) => ({
      file: rule.file,
      place: rule.placeOf(other),
      message: `\`${String(other.at(-1))}\` stands ${rule.originOf(other) === "defaults" ? "in `defaults`" : "here"}`,
    })),
  };
}

/** An issue of a rule, at its place. */
export function problemOf(issue: MendedIssue, rule: PlacedRule): RuleProblem {
  const { code, path, part, message, help, fragment } = issue;
  const { place: whole, related } = tellAt(rule, path, {
    beside: code === "E004" ? othersNamed(message, path, rule) : [],
    part,
  });
  const { file } = rule;
  const place = fragment === undefined ? whole : within(whole, fragment);
  const folded =
    fragment === undefined && /^[>|]/.test(place.text.slice(place.column - 1))
      ? explainFault({ code: "FOLDED", reason: message, place }, [])
      : undefined;
  if (folded?.mendedLine !== undefined) {
    const { message, help } = folded;
    return { code: "E001", severity: "error", file, place: folded.place, message, help, related: [] };
  }
  return { code, severity: "error", file, place, message, ...(help === undefined ? {} : { help }), related };
}

/** A piece of a value, where it stands on the value's line as it is. */
export function within(place: Place, fragment: string): Place {
  const from = place.text.indexOf(fragment, place.column - 1);
  return from < 0 ? place : { ...place, column: from + 1, length: Math.max(1, fragment.length) };
}

/** The other fields that a message names. */
function othersNamed(message: string, path: Path, rule: PlacedRule): Path[] {
  const own = String(path.at(-1));
  const above = path.slice(0, -1);
  const names = new Set([...message.matchAll(/[a-z_]+/g)].map(([name]) => name));
  return [...names].flatMap((name) => {
    const there = [...above, name];
    if (name === own || rule.originOf(there) === undefined) return [];
    const place = rule.placeOf(there);
    const missing = rule.placeOf(above);
    return place.line === missing.line && place.column === missing.column ? [] : [there];
  });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
