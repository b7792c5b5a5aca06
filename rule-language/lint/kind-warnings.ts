import type { Series } from "../../domain/reading.ts";
import { takesTexts } from "../aggregates/aggregate.ts";
import { holds } from "../conditions/condition.ts";
import type { RuleProblem } from "../files/problem.ts";
import { checkedAggregate } from "../spec/checked.ts";
import { compileSelector, splitPatterns } from "../spec/selector.ts";
import { type Part, partsOf } from "./known-series.ts";
import { commonValue } from "./value-probes.ts";
import { type CheckedRule, warn } from "./warning.ts";

/** Aggregates that are one of the readings, or between them: of booleans they are 0 to 1. */
const AMONG_READINGS: readonly string[] = ["avg", "min", "max", "first", "last", "quantile"];

/**
 * Warns about texts and booleans of a metric that a rule compares with numbers: known ones, or those that a running
 * gateway has met.
 */
export function* kindWarnings(
  rule: CheckedRule,
  { series = [], found = [] }: { readonly series: readonly Series[] | undefined; readonly found: readonly Series[] },
): Iterable<RuleProblem> {
  if (rule.spec.absent !== undefined) return;
  for (const part of partsOf(rule.spec)) {
    // A rule for all metrics means those that are numbers.
    const { metric } = part.where;
    if (metric === undefined || splitPatterns(metric).taken.every((pattern) => pattern === "*")) continue;
    const selector = compileSelector(part.where, { onlyNumbers: false });
    for (const one of [...found, ...series]) {
      if (one.kind === "number" || !selector.matches(one)) continue;
      const why = one.kind === "string" ? whyNoText(rule, part) : whyNoBoolean(rule);
      if (why === undefined) continue;
      const message = `${one.metric} of ${one.device} is a ${one.kind === "string" ? "text" : "boolean"}, and ${why}`;
      const help = "convert it in the source (`coerce`, `convert`), or exclude the device";
      yield warn("W025", rule, part.pathOf("metric"), { message, help });
      break;
    }
  }
}

function whyNoText({ levels, domain }: CheckedRule, { aggregates }: Part): string | undefined {
  const ofNumbers = aggregates.find((text) => !takesTexts(checkedAggregate(text)));
  if (ofNumbers !== undefined) return `${ofNumbers} reads numbers only`;
  const [first] = levels;
  const isOfNumbers = levels.every(
    ({ when: { condition } }) => condition.kind !== "text" && !holds(condition, "any text"),
  );
  return first !== undefined && domain.texts && isOfNumbers ? `a text is never ${first.when.text}` : undefined;
}

function whyNoBoolean({ spec, aggregates, levels, domain }: CheckedRule): string | undefined {
  const [first] = levels;
  if (spec.let !== undefined || first === undefined) return undefined;
  if (!AMONG_READINGS.includes(aggregates[0]?.kind ?? "")) return undefined;
  const isPossible = levels.some(
    ({ when: { condition } }) =>
      condition.kind === "text" || commonValue([condition], { ...domain, texts: false, min: 0, max: 1 }) !== undefined,
  );
  return isPossible ? undefined : `false and true count as 0 and 1, which are never ${first.when.text}`;
}
