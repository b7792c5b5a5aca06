import { z } from "zod";
import { type AlertCursor, type AlertsQuery, HISTORY_ALERTS } from "../../contracts/history.ts";
import { alertsAnswer } from "../../contracts/http/alerts.ts";
import { US_PER_HOUR, US_PER_MS } from "../../domain/time.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { ApiError } from "./api-error.ts";
import { askService, STORE, STORE_PROBLEMS } from "./ask-service.ts";
import { type Call, operation } from "./operation.ts";
import { pageOfPast } from "./past-alerts.ts";
import { badRequest, instantUs, requireOrder, whole } from "./query.ts";

const ALERTS_RANGE_US = 24 * US_PER_HOUR;

const alertsQuery = z.object({
  state: z.enum(["open", "pending", "firing", "resolved", "inactive", "ended", "all"]).optional(),
  from: instantUs.optional(),
  to: instantUs.optional(),
  after: z.string().max(4_096).optional().describe("An earlier page's `next`."),
  limit: whole({ min: 1, max: 10_000, standard: 1_000 }),
});
type Query = z.output<typeof alertsQuery>;
type State = NonNullable<Query["state"]>;

export const alerts = operation({
  method: "GET",
  path: "/api/v1/alerts",
  id: "alerts",
  tag: "alerts",
  summary: "Alert changes, newest first",
  description:
    "`state=open`, `pending` or `firing`: the incidents that are open now, by their newest change. `ended`, `resolved` or " +
    "`inactive`: those that ended, by their last change. `all`: every change in a span of time (a day by default). Without " +
    "any parameters: `open`.",
  scope: { channels: ["alerts"] },
  query: alertsQuery,
  filter: "`rule`, `severity` and labels",
  answer: alertsAnswer,
  problems: STORE_PROBLEMS,
  example: { query: { state: "all", limit: "1", rule: "cold-*", site: "n*" } },
  async handle(call) {
    const { state = defaultState(call) } = call.query;
    return state === "open" || state === "pending" || state === "firing"
      ? openAlerts(call, state)
      : await pastAlerts(call, state);
  },
});

/** A request that asks for a span of time, or for a page of one, means the past. */
function defaultState({ query, given }: Call<unknown, Query>): State {
  const isPast = ["from", "to", "limit"].some((name) => given.has(name)) || query.after?.startsWith("past.");
  return isPast ? "all" : "open";
}

/** From memory. */
function openAlerts({ query, filter, views }: Call<unknown, Query>, state: State) {
  const { after, limit } = query;
  const before = after === undefined ? Number.POSITIVE_INFINITY : openCursor(after);
  const open = views.alerts.open().filter(({ position, change }) => {
    return position < before && (state === "open" || change.state === state) && alertMatches(filter, change);
  });
  const page = open.slice(0, limit);
  const next = open.length > limit ? { next: `open.${page.at(-1)?.position}` } : {};
  return { alerts: page.map(({ change }) => change), ...next };
}

/** From the store. */
async function pastAlerts({ query, filter, clock, log }: Call<unknown, Query>, state: State) {
  const { from, to, limit, after } = query;
  // Half-open, so a little longer: the past includes the present instant.
  const toUs = to ?? clock.nowUs() + US_PER_MS;
  const fromUs = from ?? toUs - ALERTS_RANGE_US;
  requireOrder(fromUs, toUs);
  const states: readonly string[] = state === "ended" ? ["resolved", "inactive"] : [state];
  const ask = (question: AlertsQuery) => askService(log.bus, HISTORY_ALERTS, question, STORE);
  const { alerts, end } = await pageOfPast(ask, {
    fromUs,
    toUs,
    limit,
    after: after === undefined ? undefined : pastCursor(after),
    wanted: (change) => (state === "all" || states.includes(change.state)) && alertMatches(filter, change),
  });
  const next = end === undefined ? {} : { next: `past.${Buffer.from(JSON.stringify(end)).toString("base64url")}` };
  return { alerts, ...next };
}

function openCursor(after: string): number {
  const position = /^open\.(\d{1,16})$/.exec(after)?.[1];
  if (position === undefined) throw badCursor();
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

function badCursor(): ApiError {
  return badRequest([{ parameter: "after", detail: "is not the `next` of a page with the same parameters" }]);
}
