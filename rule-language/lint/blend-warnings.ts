import type { Series } from "../../domain/reading.ts";
import { definitionOf, takesTexts } from "../aggregates/aggregate.ts";
import type { RuleProblem } from "../files/problem.ts";
import { type Blend, blendOf, mayBlend } from "../spec/blend.ts";
import { checkedAggregate } from "../spec/checked.ts";
import { type Grouping, groupingOf, groupLabels } from "../spec/grouping.ts";
import { compileSelector } from "../spec/selector.ts";
import { partsOf } from "./known-series.ts";
import { type CheckedRule, warn } from "./warning.ts";

/**
 * Warns about a `group_by` that computes several series of one device as one: known ones, or those that a running
 * gateway has found.
 */
export function* blendWarnings(
  rule: CheckedRule,
  { series = [], found }: { readonly series: readonly Series[] | undefined; readonly found: Blend | undefined },
): Iterable<RuleProblem> {
  const { spec } = rule;
  // For a silence, any series of the device counts.
  if (!mayBlend(groupingOf(spec)) || spec.absent !== undefined) return;
  for (const { where, aggregates } of partsOf(spec)) {
    const computed = aggregates.map(checkedAggregate);
    if (computed.every((aggregate) => definitionOf(aggregate).mixesMetrics === true)) continue;
    const selector = compileSelector(where, { onlyNumbers: !computed.every(takesTexts) });
    const selected = series.filter((one) => selector.matches(one));
    const blend = found ?? blendAmong(selected, groupingOf(spec));
    if (blend === undefined) continue;
    yield blendWarning(rule, blend);
    return;
  }
}

function blendWarning(rule: CheckedRule, { device, metric, tags }: Blend): RuleProblem {
  const names = tags.join(" and ");
  const message = `several series of ${device} ${metric} are computed as one: they differ in ${names}`;
  const help = `add ${names} to \`group_by\`, or remove \`group_by\`: then each series is computed alone`;
  return warn("W023", rule, ["group_by"], { message, help });
}

/** The first blend among the series of a rule. */
function blendAmong(series: readonly Series[], grouping: Grouping): Blend | undefined {
  const first = new Map<string, Series>();
  for (const one of series) {
    const group = JSON.stringify([one.metric, groupLabels(grouping, one)]);
    const other = first.get(group);
    if (other === undefined) first.set(group, one);
    const blend = other && blendOf(other, one);
    if (blend) return blend;
  }
  return undefined;
}
