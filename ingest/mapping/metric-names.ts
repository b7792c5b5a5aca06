import { globMatches } from "../../domain/glob.ts";
import { compileMetricFilter } from "../names/metric-filter.ts";
import type { Conversion } from "./values.ts";

/** What a source says about the names of metrics. */
export interface NameSettings {
  readonly metrics: string | readonly string[];
  readonly drop: readonly string[];
  /** Old names, or patterns with one star, and the new names. */
  readonly rename: Readonly<Record<string, string>>;
  readonly prefix: string;
  /** By pattern. All that match apply, a later one over an earlier one. */
  readonly conversions: readonly (readonly [pattern: string, conversion: Conversion])[];
}

/** How one field of payloads becomes a reading. */
export interface MetricRule {
  readonly metric: string;
  readonly conversion: Conversion | undefined;
}

/** Undefined: the source does not want it. */
export type MetricRules = (name: string) => MetricRule | undefined;

const NAMES_MAX = 10_000;
/** No metric has a longer name, but a device may send one. */
const NAME_CHARACTERS_MAX = 1_024;

/**
 * `metrics` and `drop` select by the name in the payload. `rename` and `prefix` then change it, and conversions go by
 * either name.
 */
export function compileMetricRules(settings: NameSettings): MetricRules {
  const wants = compileMetricFilter(settings.metrics);
  const drops = settings.drop.length === 0 ? () => false : compileMetricFilter(settings.drop);
  const rename = compileRename(settings.rename);
  const conversions = settings.conversions.map(
    ([pattern, conversion]) => [compileMetricFilter(pattern), conversion] as const,
  );
  const known = new Map<string, MetricRule | undefined>();
  return (name) => {
    if (known.has(name)) return known.get(name);
    let rule: MetricRule | undefined;
    if (wants(name) && !drops(name)) {
      const metric = settings.prefix + rename(name);
      const fitting = conversions.filter(([fits]) => fits(name) || fits(metric)).map(([, conversion]) => conversion);
      rule = { metric, conversion: fitting.length === 0 ? undefined : Object.assign({}, ...fitting) };
    }
    if (known.size < NAMES_MAX && name.length <= NAME_CHARACTERS_MAX) known.set(name, rule);
    return rule;
  };
}

function compileRename(rename: Readonly<Record<string, string>>): (name: string) => string {
  const exact = new Map(Object.entries(rename).filter(([pattern]) => !pattern.includes("*")));
  const globs = Object.entries(rename).filter(([pattern]) => pattern.includes("*"));
  return (name) => {
    const found = exact.get(name);
    if (found !== undefined) return found;
    for (const [pattern, to] of globs) {
      if (!globMatches(pattern, name)) continue;
      const [before = "", after = ""] = pattern.split("*");
      // Not `replace`: it would give `$&` in a device's name a meaning.
      return to.split("*").join(name.slice(before.length, name.length - after.length));
    }
    return name;
  };
}
