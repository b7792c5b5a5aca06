import { globMatches } from "../../domain/glob.ts";
import { type Aggregate, definitionOf } from "../aggregates/aggregate.ts";
import type { RuleProblem } from "../files/problem.ts";
import { checkedAggregate } from "../spec/checked.ts";
import { canGroupBy, groupingOf } from "../spec/grouping.ts";
import { splitPatterns } from "../spec/selector.ts";
import { type CheckedRule, warn } from "./warning.ts";

export function* foreignPatterns(rule: CheckedRule): Iterable<RuleProblem> {
  for (const [label, patterns] of Object.entries(rule.spec.where)) {
    for (const [i, pattern] of [patterns].flat().entries()) {
      const path = typeof patterns === "string" ? ["where", label] : ["where", label, i];
      const [, sign = "", bare = ""] = /^(!?)(.*)$/s.exec(pattern) ?? [];
      if (!/\.\*|\.\+|\\[dws.]|^\^|\$$|\||\{.*\}|^\/.*\/$|^~|\[.*\]|^(?:not|except)\s/i.test(bare)) continue;
      const message = `"${pattern}" looks like a regular expression or another pattern language`;
      const glob = bare
        .replace(/^[/^]+|[/$]+$/g, "")
        .replace(/\.[*+]/g, "*")
        .replace(/^(?:not|except)\s+/i, "!")
        .replace(/^/, sign);
      const isGlob = /^!?[\w.*? -]+$/.test(glob) && glob !== pattern;
      const help = isGlob ? `write "${glob}"` : "only * and ? are special; alternatives are a list: [a, b]";
      yield warn("W012", rule, path, { message, help });
    }
  }
}

/** Warns about labels that exclude everything they include. */
export function* excludedPatterns(rule: CheckedRule): Iterable<RuleProblem> {
  for (const [label, patterns] of Object.entries(rule.spec.where)) {
    const { taken, excluded } = splitPatterns(patterns);
    if (taken.length === 0 || excluded.length === 0) continue;
    const by = taken.map((pattern) => excluded.find((other) => covers(other, pattern)));
    if (by.includes(undefined)) continue;
    const message = `"!${by[0]}" excludes everything that \`${label}\` includes`;
    yield warn("W018", rule, ["where", label], { message, help: `remove it, or keep only the exclusions of ${label}` });
  }
}

/** Whether a glob matches everything that another matches. Tries the stars as empty and as long texts. */
function covers(wide: string, narrow: string): boolean {
  const letters = narrow.replaceAll("?", "\u0000");
  const much = "\u0000".repeat(wide.length + 1);
  return globMatches(wide, letters.replaceAll("*", "")) && globMatches(wide, letters.replaceAll("*", much));
}

export function* mixedSeries(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, aggregates } = rule;
  if (spec.absent !== undefined) return;
  for (const [name, { metric, where, aggregate }] of Object.entries(spec.let ?? {})) {
    if ((metric ?? where.metric ?? spec.where.metric) !== undefined || mixesMetrics(checkedAggregate(aggregate)))
      continue;
    const message = `\`${name}\` is the ${aggregate} of all metrics together, whatever they measure`;
    yield warn("W014", rule, ["let", name], { message, help: `say which: ${name}: { metric: ... }` });
  }
  if (spec.let !== undefined) return;
  const grouping = groupingOf(spec);
  const values = aggregates.filter((aggregate) => !mixesMetrics(aggregate));
  const isMetricNamed = spec.where.metric !== undefined && splitPatterns(spec.where.metric).taken.length > 0;
  if (values.length > 0 && !isMetricNamed && !canGroupBy(grouping, "metric")) {
    const message = `${values[0]?.name} over all metrics together, whatever they measure`;
    yield warn("W014", rule, ["group_by"], {
      message,
      help: "name the metric in `where`, or add metric to `group_by`",
      beside: ["where"],
    });
  }
  const difference = aggregates.find((aggregate) => definitionOf(aggregate).isDifference === true);
  const device = spec.where.device;
  const isOneDevice = typeof device === "string" && !/^!|[*?]/.test(device);
  if (difference !== undefined && !canGroupBy(grouping, "device") && !isOneDevice) {
    const message = `${difference.name} between readings of different devices`;
    yield warn("W015", rule, ["aggregate"], { message, help: "add device to `group_by`", beside: ["group_by"] });
  }
}

function mixesMetrics(aggregate: Aggregate): boolean {
  return definitionOf(aggregate).mixesMetrics === true;
}
