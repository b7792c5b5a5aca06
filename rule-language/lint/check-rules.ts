import { closest } from "../../platform/files/closest.ts";
import type { Place } from "../../platform/files/yaml-source.ts";
import type { ReadRules } from "../files/load-rules.ts";
import { type RuleProblem, withoutRepeats } from "../files/problem.ts";
import type { PlacedRule, RuleFile } from "../files/read-rule-file.ts";
import { blendWarnings } from "./blend-warnings.ts";
import { kindWarnings } from "./kind-warnings.ts";
import type { KnownSeries } from "./known-series.ts";
import { strangers } from "./stranger-warnings.ts";
import { type CheckedRule, takeApart, warn } from "./warning.ts";
import { WARNINGS } from "./warning-kinds.ts";
import { warningsOf } from "./warnings.ts";
import { inhibitorWarnings, receiverWarnings, type Surroundings } from "./warnings-between.ts";

/** The errors and warnings of rule files, in the order of their lines. `known` is undefined if no series are known. */
export function checkRules(
  read: ReadRules,
  known: KnownSeries | undefined,
  { receivers, others = [], blends = new Map(), otherKinds = new Map() }: Surroundings = {},
): RuleProblem[] {
  const all = [...read.files.flatMap((file) => file.rules), ...others];
  const rules = read.files.flatMap((file) => file.rules).flatMap((placed) => takeApart(placed) ?? []);
  const warnings = [
    ...rules.flatMap(warningsOf),
    ...sameRules(rules),
    ...rules.flatMap((rule) => [...inhibitorWarnings(rule, all)]),
    ...(receivers === undefined ? [] : rules.flatMap((rule) => [...receiverWarnings(rule, receivers)])),
    ...rules.flatMap((rule) => [...strangers(rule, known)]),
    ...rules.flatMap((rule) => [...blendWarnings(rule, { series: known?.series, found: blends.get(rule.spec.id) })]),
    ...rules.flatMap((rule) => [
      ...kindWarnings(rule, { series: known?.series, found: otherKinds.get(rule.spec.id) ?? [] }),
    ]),
  ];
  const order = new Map(read.files.map(({ file }, i) => [file, i]));
  const kept = read.files.flatMap((file) => {
    const own = warnings.filter((warning) => warning.file === file.file);
    const isComplete = known?.mayGrow === false && file.rules.every(({ spec }) => spec);
    return silence(file, own, { isComplete, knowsReceivers: receivers !== undefined });
  });
  return withoutRepeats([...read.problems, ...kept]).sort(
    (a, b) =>
      (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) ||
      a.place.line - b.place.line ||
      a.place.column - b.place.column,
  );
}

function* sameRules(rules: readonly CheckedRule[]): Iterable<RuleProblem> {
  const first = new Map<string, CheckedRule>();
  for (const rule of rules) {
    const { id: _, ...rest } = rule.spec;
    const text = JSON.stringify(rest);
    const other = first.get(text);
    if (other === undefined) {
      first.set(text, rule);
      continue;
    }
    // A duplicate id is already an error.
    if (other.spec.id === rule.spec.id) continue;
    const warning = warn("W010", rule, ["id"], {
      message: `differs from the rule "${other.spec.id}" only in its id`,
      help: "remove one of them",
    });
    const { file } = other.placed;
    yield { ...warning, related: [{ file, place: other.placed.placeOf(["id"]), message: "the other rule" }] };
  }
}

interface Ignore {
  readonly place: Place;
  readonly code: string;
  /** The first and last lines that it applies to. */
  readonly from: number;
  readonly to: number;
  used: boolean;
}

/** Removes the warnings that `# weir-ignore: W001` silences: for its rule or, above `rules:`, for the file. */
function silence(
  file: RuleFile & { readonly file: string },
  warnings: readonly RuleProblem[],
  options: { readonly isComplete: boolean; readonly knowsReceivers: boolean },
): RuleProblem[] {
  const ignores = ignoresOf(file);
  const kept = warnings.filter(({ code, place }) => {
    const ignore = ignores.filter((one) => one.code === code && one.from <= place.line && place.line <= one.to);
    for (const one of ignore) one.used = true;
    return ignore.length === 0;
  });
  const codes: readonly string[] = Object.keys(WARNINGS);
  for (const { place, code, used } of ignores) {
    const isKnown = codes.includes(code);
    if (used || (isKnown && !options.isComplete) || (code === "W020" && !options.knowsReceivers)) continue;
    const near = closest(code, codes);
    kept.push({
      code: "W017",
      severity: "warning",
      file: file.file,
      place,
      message: isKnown ? `no warning ${code} here` : `unknown warning ${code}`,
      help: isKnown
        ? "remove it from the comment"
        : `${near ? `did you mean ${near}? ` : ""}write for example # weir-ignore: W003`,
      related: [],
    });
  }
  return kept;
}

function ignoresOf({ rules, comments }: RuleFile): Ignore[] {
  const starts = rules.map(startOf);
  return comments.flatMap((place) => {
    const listed = /^#\s*weir-ignore:?\s*(.*)$/i.exec(place.text.slice(place.column - 1))?.[1];
    if (listed === undefined) return [];
    const span = spanOf(place.line, starts, comments);
    return listed
      .split(/[\s,]+/)
      .filter((code) => /^[A-Za-z]\w*\d/.test(code))
      .map((code) => ({ place, code: code.toUpperCase(), ...span, used: false }));
  });
}

/**
 * A comment applies to the rule that it is in or directly above. Before all rules, and not directly above the first,
 * it applies to the file.
 */
function spanOf(line: number, starts: readonly number[], comments: RuleFile["comments"]): { from: number; to: number } {
  const commented = new Set(comments.map((comment) => comment.line));
  let below = line;
  while (commented.has(below) && !starts.includes(below)) below++;
  const index = starts.includes(below) ? starts.indexOf(below) : starts.findLastIndex((start) => start <= line);
  if (index < 0) return { from: 1, to: Number.POSITIVE_INFINITY };
  return { from: starts[index] ?? 1, to: (starts[index + 1] ?? Number.POSITIVE_INFINITY) - 1 };
}

function startOf(rule: PlacedRule): number {
  return rule.placeOf([]).line;
}
