import { globMatches } from "../../domain/glob.ts";
import type { Series } from "../../domain/reading.ts";
import { labelOf } from "./grouping.ts";
import type { RuleSpec } from "./rule-spec.ts";

/** Selects the series that a rule reads. */
export interface Selector {
  matches(series: Series): boolean;
  /**
   * Alternative ways to index the selector. In each way, every matching series passes at least one of the tests.
   * Without any way, it may match every series.
   */
  readonly ways: readonly (readonly LabelTest[])[];
}

/** Tests whether a label has this value, or starts with it. */
export interface LabelTest {
  readonly label: string;
  readonly text: string;
  readonly isPrefix: boolean;
}

/** The patterns of which a label must match at least one, and those that it must not match. */
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
        // No exclusion matches a missing label.
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

/** A pattern that starts with `!` excludes the values that the rest of it matches. */
export function splitPatterns(patterns: string | readonly string[]): LabelPatterns {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  return {
    taken: list.filter((pattern) => !pattern.startsWith("!")),
    excluded: list.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)),
  };
}

function compilePatterns(list: readonly string[]): (value: string) => boolean {
  const exact = new Set(list.filter((pattern) => !MAGIC.test(pattern)));
  const globs = list.filter((pattern) => MAGIC.test(pattern));
  return (value) => exact.has(value) || globs.some((pattern) => globMatches(pattern, value));
}
