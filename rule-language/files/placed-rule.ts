import { specialStart } from "../../platform/files/yaml-faults.ts";
import type { Place } from "../../platform/files/yaml-source.ts";
import { originOf } from "../spec/defaults.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { errorAt, type RelatedPlace, type RuleProblem } from "./problem.ts";
import type { RuleFault } from "./rule-faults.ts";

/** A rule of a file, with the places of its parts. */
export interface PlacedRule {
  readonly file: string;
  /** Undefined if the rule has errors. */
  readonly spec: RuleSpec | undefined;
  /** The rule's id, valid or not; undefined if it has none. */
  readonly id: string | undefined;
  /**
   * The place of a part of the rule, such as `["window", "tumbling"]`. It is in `defaults` if the rule inherits the
   * part.
   */
  placeOf(path: Path, part?: "key" | "value"): Place;
  /** Whether a part comes from the rule itself or from its file's defaults; undefined if it is missing. */
  originOf(path: Path): "rule" | "defaults" | undefined;
  /** Whether the rule itself sets a field. */
  says(field: string): boolean;
}

type Path = readonly PropertyKey[];

interface PlacedRuleOptions {
  readonly file: string;
  readonly spec: RuleSpec | undefined;
  /** As written. */
  readonly rule: unknown;
  /** With the defaults filled in. */
  readonly filled: unknown;
  /** The path of the rule in its file. */
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
 * Where to report a fault of a part of a rule, with the related places. A default that conflicts with the rule itself
 * is reported at the rule, because the default may be right for all others.
 */
export function spotOf(
  rule: PlacedRule,
  path: Path,
  { beside, part }: { readonly beside: readonly Path[]; readonly part?: "key" | "value" | undefined },
): { readonly place: Place; readonly related: RelatedPlace[] } {
  const present = beside.filter((other) => rule.originOf(other) !== undefined);
  const own = rule.originOf(path) === "defaults" ? present.find((other) => rule.originOf(other) === "rule") : undefined;
  const others = own === undefined ? present : [path, ...present.filter((other) => other !== own)];
  return {
    place: own === undefined ? rule.placeOf(path, part) : rule.placeOf(own),
    related: others.map((other) => ({
      file: rule.file,
      place: rule.placeOf(other),
      message: `\`${String(other.at(-1))}\` is ${rule.originOf(other) === "defaults" ? "in `defaults`" : "here"}`,
    })),
  };
}

/** A fault of a rule, at its place. */
export function problemOf(fault: RuleFault, rule: PlacedRule): RuleProblem {
  const { at, part, beside = [], fragment } = fault;
  const { place: whole, related } = spotOf(rule, at, { beside, part });
  const { file } = rule;
  if (fragment !== undefined) return errorAt(fault, { file, place: within(whole, fragment), related });
  // YAML reads `>8` as the start of a block of text.
  const block = /^[>|]/.test(whole.text.slice(whole.column - 1)) ? specialStart("BLOCK", whole) : undefined;
  return block === undefined
    ? errorAt(fault, { file, place: whole, related })
    : errorAt(block, { file, place: block.place });
}

/** The place of a piece of a value, if the value's line contains it as written. */
export function within(place: Place, fragment: string): Place {
  const from = place.text.indexOf(fragment, place.column - 1);
  return from < 0 ? place : { ...place, column: from + 1, length: Math.max(1, fragment.length) };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
