import type { Matchers } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { globMatches } from "../../domain/glob.ts";

/** Labels of an alert by which it is routed and silenced. Its own `rule` and `severity` win over labels so named. */
export function labelOf(change: AlertChange, name: string): string | undefined {
  switch (name) {
    case "rule":
      return change.rule;
    case "severity":
      return change.severity;
    case "incident":
      return change.incident;
    default:
      if (Object.hasOwn(change.labels, name)) return change.labels[name];
      return Object.hasOwn(change.key, name) ? change.key[name] : undefined;
  }
}

/** Whether an alert has all that is asked for. One without a label does not fit, whatever is asked of that label. */
export function matches(matchers: Matchers, change: AlertChange): boolean {
  return Object.entries(matchers).every(([name, patterns]) => {
    const text = labelOf(change, name);
    if (text === undefined) return false;
    return typeof patterns === "string"
      ? globMatches(patterns, text)
      : patterns.some((pattern) => globMatches(pattern, text));
  });
}
