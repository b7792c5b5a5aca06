import type { RuleAlerts } from "../alerts/rule-alerts.ts";
import type { Input } from "./input.ts";

/** What inputs have found, by the rules that read them. `both`: a rule has several inputs; by default one is enough. */
export function foundByRule<Found>(
  rules: readonly { readonly alerts: RuleAlerts }[],
  inputs: readonly Input[],
  foundBy: (input: Input) => Found | undefined,
  both: (one: Found, other: Found) => Found = (_, other) => other,
): ReadonlyMap<string, Found> {
  const all = new Map<string, Found>();
  for (const input of inputs) {
    const found = foundBy(input);
    if (found === undefined) continue;
    for (const { alerts } of rules) {
      const { spec, inputs: own } = alerts.rule;
      if (!own.some(({ identity }) => identity === input.identity)) continue;
      const before = all.get(spec.id);
      all.set(spec.id, before === undefined ? found : both(before, found));
    }
  }
  return all;
}
