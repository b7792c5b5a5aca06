import { globMatches } from "../../domain/glob.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import type { RuleSpec } from "./rule-spec.ts";

/** Which series a rule wants. */
export interface Selector {
  matches(series: Series): boolean;
  /**
   * Ways to find the selector from a series: one of the alternatives of each way holds for every series that matches.
   * No way: it may match any series.
   */
  readonly ways: readonly (readonly LabelTest[])[];
}

/** A label has this value, or begins with it. */
export interface LabelTest {
  readonly label: string;
  readonly text: string;
  readonly isPrefix: boolean;
}

const MAGIC = /[*?]/;

export function compileSelector(where: RuleSpec["where"], options: { readonly onlyNumbers: boolean }): Selector {
  const tests = Object.entries(where).map(([label, patterns]) => {
    const list = typeof patterns === "string" ? [patterns] : patterns;
    return { label, list, matches: compilePatterns(list) };
  });
  return {
    matches(series) {
      if (options.onlyNumbers && series.kind === "string") return false;
      return tests.every(({ label, matches }) => {
        const value = labelOf(series, label);
        return value !== undefined && matches(value);
      });
    },
    ways: tests.flatMap(({ label, list }) => {
      const way = list.map((pattern) => ({
        label,
        text: pattern.split(MAGIC, 1)[0] ?? "",
        isPrefix: MAGIC.test(pattern),
      }));
      return way.every(({ text }) => text !== "") ? [way] : [];
    }),
  };
}

/** The labels of the group that a series belongs to. A tag that the series has not is left out. */
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
