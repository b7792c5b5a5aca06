import type { Matchers } from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { globMatches } from "../../domain/glob.ts";

/** A label that routes and silences match. The alert's own rule and severity override labels with these names. */
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

/** Whether an alert matches every matcher. An alert without the label never matches, whatever the pattern. */
export function matches(matchers: Matchers, change: AlertChange): boolean {
  return Object.entries(matchers).every(([name, wanted]) => {
    const text = labelOf(change, name);
    if (text === undefined) return false;
    return typeof wanted === "string"
      ? globMatches(wanted, text)
      : wanted.some((pattern) => globMatches(pattern, text));
  });
}
