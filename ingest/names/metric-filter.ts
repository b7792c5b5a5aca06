import { globMatches } from "../../domain/glob.ts";

/**
 * Whether a metric's name matches any of the patterns. `*` and `?` are those of `domain/glob.ts`; in addition, `{a,b}`
 * matches either text, and a leading `!` inverts the pattern. Names come from devices, so the time is bounded: pattern
 * length times name length.
 */
export function compileMetricFilter(metrics: string | readonly string[]): (metric: string) => boolean {
  if (metrics === "*") return () => true;
  const patterns = (typeof metrics === "string" ? [metrics] : metrics).map(compilePattern);
  const known = new Map<string, boolean>();
  return (metric) => {
    let wanted = known.get(metric);
    if (wanted === undefined) {
      wanted = patterns.some(({ globs, isNegated }) => globs.some((glob) => globMatches(glob, metric)) !== isNegated);
      if (known.size < NAMES_MAX && metric.length <= NAME_CHARACTERS_MAX) known.set(metric, wanted);
    }
    return wanted;
  };
}

const NAMES_MAX = 10_000;
/** No metric has a longer name, but a device may send one. */
const NAME_CHARACTERS_MAX = 1_024;
const ALTERNATIVES_MAX = 1_000;

/** Why a text is not a valid pattern of metric names; undefined if it is. */
export function metricPatternProblem(pattern: string): string | undefined {
  const odd = /[[\]()\\]|\{[^{}]*?\.\.[^{}]*\}/.exec(pattern)?.[0];
  if (odd !== undefined) {
    return `"${pattern}" has "${odd}", which has no meaning here: write * for any text, ? for one character, {a,b} for either, or list the names`;
  }
  if (!/^[^{}]*(?:\{[^{}]*\}[^{}]*)*$/.test(pattern))
    return `"${pattern}" has a { or } without its partner, or braces inside braces`;
  if (alternativesOf(pattern) > ALTERNATIVES_MAX)
    return `"${pattern}" stands for more than ${ALTERNATIVES_MAX} patterns`;
  return undefined;
}

interface Pattern {
  readonly globs: readonly string[];
  readonly isNegated: boolean;
}

function compilePattern(pattern: string): Pattern {
  const isNegated = pattern.startsWith("!");
  return { globs: expand(isNegated ? pattern.slice(1) : pattern), isNegated };
}

/** `a{b,c}d` -> `abd`, `acd`. Braces do not nest. */
function expand(pattern: string): string[] {
  let globs = [""];
  for (const part of pattern.split(BRACES)) {
    const choices = part.startsWith("{") ? part.slice(1, -1).split(",") : [part];
    globs = globs.flatMap((glob) => choices.map((choice) => glob + choice));
  }
  return globs;
}

const BRACES = /(\{[^{}]*\})/;

function alternativesOf(pattern: string): number {
  return pattern
    .split(BRACES)
    .reduce((product, part) => product * (part.startsWith("{") ? part.split(",").length : 1), 1);
}
