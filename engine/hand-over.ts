import { keyName } from "../domain/alert-ids.ts";
import type { Series } from "../domain/reading.ts";
import { groupLabels } from "../rule-language/spec/grouping.ts";
import type { RuleAlerts } from "./alerts/rule-alerts.ts";
import { NO_ROOM } from "./inputs/input.ts";
import type { Source } from "./inputs/source.ts";
import type { Rule } from "./rules/rule.ts";

export interface RunningRule {
  readonly alerts: RuleAlerts;
  readonly source: Source;
}

/** Whether an alert has the same meaning after its rule was edited. */
export function canTakeOver(old: Rule, next: Rule): boolean {
  const hasAlert = next.spec.absent !== undefined || next.evaluate !== undefined;
  return hasAlert && (old.spec.absent !== undefined) === (next.spec.absent !== undefined);
}

/** Keeps the alert of each group that has a series which the new rule reads, under the same labels. Ends the others. */
export function handOver(
  old: RunningRule,
  next: RunningRule,
  { seen, nowUs }: { readonly seen: readonly Series[]; readonly nowUs: number },
): void {
  const kept = new Set<string>();
  for (const series of seen) {
    if (!old.source.takes(series) || !next.source.takes(series)) continue;
    const key = keyName(groupLabels(old.source.grouping, series));
    if (keyName(groupLabels(next.source.grouping, series)) === key) kept.add(key);
  }
  for (const [key, labels] of old.source.keys()) {
    if (!kept.has(keyName(labels))) old.alerts.end(key);
    else if (old.source.absences !== undefined || old.alerts.hasHistory(key)) {
      const nextKey = next.source.keyFor(labels, old.source.heardUs(key));
      if (nextKey === NO_ROOM) {
        old.alerts.end(key);
        continue;
      }
      next.alerts.adopt(nextKey, old.alerts, key);
      if (old.source.absences) next.source.absences?.adopt(nextKey, old.source.absences, key, nowUs);
    }
  }
}
