import picomatch from "picomatch";
import type { Series, Tags } from "../../domain/reading.ts";
import { parseDurationUs } from "../../domain/time.ts";
import { type Condition, parseCondition } from "./condition.ts";
import type { RuleSpec } from "./rule-spec.ts";

/** A rule ready to run: durations in microseconds, patterns and conditions compiled. */
export interface Rule {
  readonly spec: RuleSpec;
  /** Equal for two rules that keep the same windows: a reload between them loses none. */
  readonly shape: string;
  readonly sizeUs: number;
  readonly latenessUs: number;
  readonly retainUs: number;
  readonly forUs: number;
  readonly keepFiringForUs: number;
  readonly when: Condition | undefined;
  /** Undefined: the alert ends when `when` does not hold. */
  readonly clear: Condition | undefined;
  readonly wants: (series: Series) => boolean;
}

/** How many windows back a late reading can still correct. */
const WINDOWS_RETAINED = 2;

/** The spec must have been checked against `ruleSpecSchema`. */
export function compileRule(spec: RuleSpec): Rule {
  const sizeUs = us(spec.window.tumbling);
  return {
    spec,
    shape: JSON.stringify([spec.where, spec.group_by, spec.window, spec.aggregate, spec.lateness, spec.late]),
    sizeUs,
    latenessUs: us(spec.lateness),
    retainUs: WINDOWS_RETAINED * sizeUs,
    forUs: us(spec.for),
    keepFiringForUs: us(spec.keep_firing_for),
    when: condition(spec.when),
    clear: condition(spec.clear),
    wants: compileWhere(spec.where),
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

function compileWhere(where: RuleSpec["where"]): (series: Series) => boolean {
  const tests = Object.entries(where).map(([name, patterns]) => ({ name, matches: compilePatterns(patterns) }));
  return (series) =>
    tests.every(({ name, matches }) => {
      const value = labelOf(series, name);
      return value !== undefined && matches(value);
    });
}

function compilePatterns(patterns: string | readonly string[]): (value: string) => boolean {
  const list = typeof patterns === "string" ? [patterns] : patterns;
  const exact = new Set(list.filter((pattern) => !/[*?]/.test(pattern)));
  const globs = list
    .filter((pattern) => /[*?]/.test(pattern))
    .map((pattern) => picomatch(pattern, { dot: true, bash: true, nobrace: true, noextglob: true, nonegate: true }));
  return (value) => exact.has(value) || globs.some((matches) => matches(value));
}

function labelOf(series: Series, name: string): string | undefined {
  if (name === "device") return series.device;
  if (name === "metric") return series.metric;
  return series.tags[name];
}

function us(text: string): number {
  const parsed = parseDurationUs(text);
  if (parsed === undefined) throw new TypeError(`unchecked rule: "${text}" is no duration`);
  return parsed;
}

function condition(text: string | undefined): Condition | undefined {
  if (text === undefined) return undefined;
  const parsed = parseCondition(text);
  if (typeof parsed === "string") throw new TypeError(`unchecked rule: ${parsed}`);
  return parsed;
}
