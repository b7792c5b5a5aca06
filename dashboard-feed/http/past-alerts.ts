import type { AlertsQuery } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";

/** The store returns at most this many changes at once. */
const ASK_MAX = 10_000;
/** The most requests to the store for one page. */
const ASKS_MAX = 20;

/** Where a page ended; the next page starts after it. */
export interface PageEnd {
  readonly atUs: number;
  readonly id: string;
}

export interface PastQuery {
  readonly fromUs: number;
  readonly toUs: number;
  readonly limit: number;
  readonly after: PageEnd | undefined;
  readonly wanted: (change: AlertChange) => boolean;
}

export interface Page {
  readonly alerts: readonly AlertChange[];
  /** Undefined on the last page. */
  readonly end: PageEnd | undefined;
}

/**
 * Alert changes of a span of time, newest first, and by id within an instant. The store has no filter and cannot
 * start within an instant, so this requests whole instants until the page is full.
 */
export async function pageOfPast(
  ask: (query: AlertsQuery) => Promise<readonly AlertChange[]>,
  query: PastQuery,
): Promise<Page> {
  const { fromUs, limit, after, wanted } = query;
  const alerts: AlertChange[] = [];
  let toUs = after === undefined ? query.toUs : Math.min(query.toUs, after.atUs + 1);
  let end: PageEnd | undefined;
  for (let asks = 0; toUs > fromUs; asks++) {
    if (asks >= ASKS_MAX) return { alerts, end };
    const { changes, nextToUs } = await wholeInstants(ask, { fromUs, toUs, limit: Math.min(ASK_MAX, limit * 2 + 100) });
    for (const change of changes) {
      if (after !== undefined && !isBehind(change, after)) continue;
      if (alerts.length === limit) return { alerts, end };
      end = { atUs: change.atUs, id: change.id };
      if (wanted(change)) alerts.push(change);
    }
    toUs = nextToUs;
  }
  return { alerts, end: undefined };
}

/** The newest changes of a span, except those of an instant that may be incomplete. */
async function wholeInstants(
  ask: (query: AlertsQuery) => Promise<readonly AlertChange[]>,
  query: AlertsQuery,
): Promise<{ readonly changes: AlertChange[]; readonly nextToUs: number }> {
  const { fromUs, limit } = query;
  const found = sorted(await ask(query));
  if (found.length < limit) return { changes: found, nextToUs: fromUs };
  const oldestUs = found.at(-1)?.atUs ?? fromUs;
  const whole = found.filter(({ atUs }) => atUs > oldestUs);
  if (whole.length > 0) return { changes: whole, nextToUs: oldestUs + 1 };
  // One instant has more changes than the limit: request it alone.
  const changes = sorted(await ask({ fromUs: oldestUs, toUs: oldestUs + 1, limit: ASK_MAX }));
  return { changes, nextToUs: oldestUs };
}

function sorted(changes: readonly AlertChange[]): AlertChange[] {
  return [...changes].sort(newestFirst);
}

function newestFirst(a: AlertChange, b: AlertChange): number {
  if (a.atUs !== b.atUs) return b.atUs - a.atUs;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

function isBehind(change: AlertChange, end: PageEnd): boolean {
  return change.atUs < end.atUs || (change.atUs === end.atUs && change.id < end.id);
}
