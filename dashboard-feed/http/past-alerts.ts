import type { AlertCursor, AlertsPage, AlertsQuery } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";

/** The store returns at most this many changes at once. */
const ASK_MAX = 10_000;
/** The most requests to the store for one page. */
const ASKS_MAX = 20;

export interface PastQuery {
  readonly fromUs: number;
  readonly toUs: number;
  readonly limit: number;
  readonly after: AlertCursor | undefined;
  readonly wanted: (change: AlertChange) => boolean;
}

export interface Page {
  readonly alerts: readonly AlertChange[];
  /** Undefined on the last page. */
  readonly end: AlertCursor | undefined;
}

/**
 * Alert changes of a span of time, newest first, and by id within an instant. The store has no filter, so this asks for
 * pages until one of its own is full.
 */
export async function pageOfPast(
  ask: (query: AlertsQuery) => Promise<AlertsPage>,
  { fromUs, toUs, limit, after, wanted }: PastQuery,
): Promise<Page> {
  const alerts: AlertChange[] = [];
  let end = after;
  for (let asks = 0; asks < ASKS_MAX; asks++) {
    const query = { fromUs, toUs, limit: Math.min(ASK_MAX, limit + 1), ...(end && { after: end }) };
    const { changes, next } = await ask(query);
    for (const change of changes) {
      if (alerts.length === limit) return { alerts, end };
      end = { atUs: change.atUs, id: change.id };
      if (wanted(change)) alerts.push(change);
    }
    if (next === null) return { alerts, end: undefined };
    end = next;
  }
  return { alerts, end };
}
