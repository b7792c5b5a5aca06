import { globMatches } from "../../domain/glob.ts";
import type { Series } from "../../domain/reading.ts";
import { nearestTo } from "../../platform/files/closest.ts";
import type { RuleProblem } from "../files/problem.ts";
import { labelOf } from "../spec/grouping.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { compileSelector, splitPatterns } from "../spec/selector.ts";
import { type KnownSeries, type Part, partsOf } from "./known-series.ts";
import { type CheckedRule, warn } from "./warning.ts";

/** The labels that every series has. */
const OF_EVERY_SERIES = ["device", "metric"];
/** In shorter names, a wrong letter makes another name. */
const MISSPELT_LETTERS_MIN = 4;

/**
 * Warns about misspelt labels; about rules that match no known series, at the label that excludes the last of them; and
 * about misspelt exclusions. Without known series, only about labels.
 */
export function* strangers(rule: CheckedRule, known: KnownSeries | undefined): Iterable<RuleProblem> {
  const tags = [...new Set(known?.series.flatMap((series) => Object.keys(series.tags)))];
  for (const part of partsOf(rule.spec)) {
    const labels = [...strangeLabels(rule, part, tags)];
    yield* labels;
    // The values of a misspelt label say nothing.
    if (labels.length === 0 && known !== undefined) yield* strangersOf(rule, part, known);
  }
}

/** Labels that no series has, and that nearly match one. */
function* strangeLabels(rule: CheckedRule, part: Part, tags: readonly string[]): Iterable<RuleProblem> {
  const names = [...OF_EVERY_SERIES, ...tags];
  for (const label of Object.keys(part.where)) {
    const near = names.includes(label) ? undefined : misspelt(label, names);
    if (near === undefined) continue;
    const message = `no known sensor has a label "${label}"`;
    yield warn("W005", rule, part.pathOf(label), { message, help: `did you mean ${near}?`, part: "key" });
  }
}

function* strangersOf(rule: CheckedRule, part: Part, known: KnownSeries): Iterable<RuleProblem> {
  let left = known.series;
  for (const [label, patterns] of Object.entries(part.where)) {
    const path = part.pathOf(label);
    const { taken, excluded } = splitPatterns(patterns);
    const values = [...new Set(left.flatMap((series) => labelOf(series, label) ?? []))];
    if (!known.mayGrow) yield* excludedStrangers(rule, { label, path, excluded, values });
    const next = left.filter(takenBy({ [label]: patterns }));
    if (next.length > 0) {
      left = next;
      continue;
    }
    if (taken.length === 0 || left.some(takenBy({ [label]: [...taken] }))) {
      const message = `${label} excludes every known sensor`;
      if (!known.mayGrow) yield warn("W005", rule, path, { message, help: "exclude less" });
      return;
    }
    const nearest = known.mayGrow ? misspelt : nearestTo;
    const near = taken.flatMap((pattern) => nearest(pattern, values) ?? [])[0];
    if (near === undefined && known.mayGrow && !isForeign(label, known)) return;
    const some = values.slice(0, 5).join(", ");
    const there =
      values.length === 0
        ? `no reading has a ${label}`
        : `known are ${some}${values.length > 5 ? `, and ${values.length - 5} more` : ""}`;
    const message = `no known sensor has ${label} ${taken.map((text) => `"${text}"`).join(" or ")}`;
    yield warn("W005", rule, path, { message, help: near === undefined ? there : `did you mean ${near}?` });
    return;
  }
}

/** Whether no known series has such a label: sensors come and go, but rarely with a new kind of tag. */
function isForeign(label: string, { series }: KnownSeries): boolean {
  return series.length > 0 && series.every((one) => labelOf(one, label) === undefined);
}

/**
 * The name that a pattern surely misspells. Names that are short, or that differ only in digits, may well be others:
 * co2 beside CO, line-2 beside line-1.
 */
function misspelt(pattern: string, names: readonly string[]): string | undefined {
  const near = nearestTo(pattern, names);
  if (near === undefined) return undefined;
  const [a, b] = [pattern, near.replaceAll('"', "")].map((text) => text.toLowerCase().replaceAll(/[-_\s*?]/g, ""));
  if (a === undefined || b === undefined || a === b) return near;
  if (Math.min(a.length, b.length) < MISSPELT_LETTERS_MIN) return undefined;
  return a.replaceAll(/\d/g, "") === b.replaceAll(/\d/g, "") ? undefined : near;
}

function takenBy(where: RuleSpec["where"]): (series: Series) => boolean {
  const selector = compileSelector(where, { onlyNumbers: false });
  return (series) => selector.matches(series);
}

interface Exclusions {
  readonly label: string;
  readonly path: readonly PropertyKey[];
  readonly excluded: readonly string[];
  readonly values: readonly string[];
}

/** Warns about exclusions that match none of the values but nearly match one. */
function* excludedStrangers(rule: CheckedRule, about: Exclusions): Iterable<RuleProblem> {
  const { label, path, excluded, values } = about;
  for (const pattern of excluded) {
    if (values.some((value) => globMatches(pattern, value))) continue;
    const near = nearestTo(pattern, values)?.replaceAll('"', "");
    if (near === undefined) continue;
    const message = `no known sensor has ${label} "${pattern}", so it excludes nothing`;
    yield warn("W005", rule, path, { message, help: `did you mean "!${near}"?` });
  }
}
