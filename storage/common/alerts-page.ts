import type { AlertsPage } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";

/** About the most JSON in a page, far below what an answer on the bus may have. */
const PAGE_CHARACTERS_MAX = 4 * 1_048_576;

/** An incident has few changes. */
export const INCIDENT_CHANGES_MAX = 1_000;

/**
 * The page that begins with these changes, each as JSON, in the order of the question. They are one more than the limit
 * if there are more. A page that would be large ends early; it has at least one change.
 */
export function alertsPage(texts: readonly string[], limit: number): AlertsPage {
  const changes: AlertChange[] = [];
  let characters = 0;
  for (const text of texts) {
    characters += text.length;
    if (changes.length === limit || (changes.length > 0 && characters > PAGE_CHARACTERS_MAX)) break;
    changes.push(JSON.parse(text) as AlertChange);
  }
  const last = changes.at(-1);
  const isLast = last === undefined || changes.length === texts.length;
  return { changes, next: isLast ? null : { atUs: last.atUs, id: last.id } };
}
