import { z } from "zod";
import { type AlertCursor, type AlertsPage, type AlertsQuery, HISTORY_ALERTS } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { US_PER_HOUR, US_PER_MS } from "../../domain/time.ts";
import type { ApiError } from "./api-error.ts";
import { askService, STORE } from "./ask-service.ts";
import type { ApiContext } from "./operation.ts";
import { badRequest, requireOrder } from "./query.ts";

/** The store returns at most this many changes at once. */
const ASK_MAX = 10_000;
/** The most requests to the store for one page. */
const ASKS_MAX = 20;
const RANGE_US = 24 * US_PER_HOUR;

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

interface PastCall extends Pick<ApiContext, "log" | "clock"> {
  readonly query: {
    readonly from?: number | undefined;
    readonly to?: number | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  };
}

/** A page of the changes in the store that a request asks for; those of a day by default. Throws ApiError. */
export async function storedPage({ query, clock, log }: PastCall, wanted: PastQuery["wanted"]): Promise<Page> {
  const { from, to, limit, after } = query;
  // Half-open, so a little longer: the past includes the present instant.
  const toUs = to ?? clock.nowUs() + US_PER_MS;
  const fromUs = from ?? toUs - RANGE_US;
  requireOrder(fromUs, toUs);
  const ask = (question: AlertsQuery) => askService(log.bus, HISTORY_ALERTS, question, STORE);
  return await pageOfPast(ask, {
    fromUs,
    toUs,
    limit,
    after: after === undefined ? undefined : pastCursor(after),
    wanted,
  });
}

/** The cursor of a page from the store, as clients send it. */
export function cursorText(end: AlertCursor): string {
  return `past.${Buffer.from(JSON.stringify(end)).toString("base64url")}`;
}

/** The position in a cursor `<kind>.<position>`. Throws ApiError. */
export function positionCursor(kind: string, after: string): number {
  const [found, position = ""] = after.split(".", 2);
  if (found !== kind || !/^\d{1,16}$/.test(position)) throw badCursor();
  return Number(position);
}

const pageEndSchema = z.strictObject({ atUs: z.number(), id: z.string() });

function pastCursor(after: string): AlertCursor {
  try {
    const text = /^past\.([\w-]+)$/.exec(after)?.[1] ?? "";
    return pageEndSchema.parse(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
  } catch {
    throw badCursor();
  }
}

export function badCursor(): ApiError {
  return badRequest([{ parameter: "after", detail: "is not the `next` of a page with the same parameters" }]);
}
