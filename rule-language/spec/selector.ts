import { globMatches } from "../../domain/glob.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import type { RuleSpec } from "./rule-spec.ts";

/** Which series a rule reads. */
export interface Selector {
  matches(series: Series): boolean;
  /**
   * Ways to find the selector from a series, for an index: in each way, one of the tests holds for every series that
   * matches. Without a way, it may match any series.
   */
  readonly ways: readonly (readonly LabelTest[])[];
}

/** Whether a label has this value, or begins with it. */
export interface LabelTest {
  readonly label: string;
  readonly text: string;
  readonly isPrefix: boolean;
}

/** The patterns that a label must match one of, and the patterns that it must not match. */
export interface LabelPatterns {
  readonly taken: readonly string[];
  /** Without their `!`. */
  readonly excluded: readonly string[];
}

const MAGIC = /[*?]/;

export function compileSelector(where: RuleSpec["where"], options: { readonly onlyNumbers: boolean }): Selector {
  const tests = Object.entries(where).map(([label, patterns]) => {
    const { taken, excluded } = splitPatterns(patterns);
    return { label, taken, takes: compilePatterns(taken), excludes: compilePatterns(excluded) };
  });
  return {
    matches(series) {
      if (options.onlyNumbers && series.kind === "string") return false;
      return tests.every(({ label, taken, takes, excludes }) => {
        const value = labelOf(series, label);
        // A missing label matches no exclusion.
        if (value === undefined) return taken.length === 0;
        return (taken.length === 0 || takes(value)) && !excludes(value);
      });
    },
    ways: tests.flatMap(({ label, taken }) => {
      const way = taken.map((pattern) => ({
        label,
        text: pattern.split(MAGIC, 1)[0] ?? "",
        isPrefix: MAGIC.test(pattern),
      }));
      return way.length > 0 && way.every(({ text }) => text !== "") ? [way] : [];
    }),
  };
}

/** A pattern that begins with `!` excludes what the rest of it matches. */
export function splitPatterns(patterns: string | readonly string[]): LabelPatterns {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  return {
    taken: list.filter((pattern) => !pattern.startsWith("!")),
    excluded: list.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)),
  };
}

/** The labels of the group that a series belongs to, without tags that the series does not have. */
export function groupLabels(groupBy: readonly string[], series: Series): Tags {
  const labels: Record<string, string> = {};
  for (const name of groupBy) {
    const value = labelOf(series, name);
    if (value !== undefined) labels[name] = value;
  }
  return labels;
}

export function labelOf(series: Series, name: string): string | undefined {
  if (name === "device") return series.device;
  if (name === "metric") return series.metric;
  return series.tags[name];
}

function compilePatterns(list: readonly string[]): (value: string) => boolean {
  const exact = new Set(list.filter((pattern) => !MAGIC.test(pattern)));
  const globs = list.filter((pattern) => MAGIC.test(pattern));
  return (value) => exact.has(value) || globs.some((pattern) => globMatches(pattern, value));
}
