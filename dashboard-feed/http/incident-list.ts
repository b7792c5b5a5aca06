import { z } from "zod";
import { incidentsAnswer } from "../../contracts/http/alerts.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { type AlertEntry, alertMatches } from "../views/alerts-view.ts";
import { ApiError } from "./api-error.ts";
import { STORE_PROBLEMS } from "./ask-service.ts";
import { eventsOf, summaryOf } from "./known-incidents.ts";
import { type Call, operation } from "./operation.ts";
import { badCursor, cursorText, positionCursor, storedPage } from "./past-alerts.ts";
import { instantUs, whole } from "./query.ts";

const incidentsQuery = z.object({
  state: z.enum(["open", "pending", "firing", "ended", "resolved"]).default("open"),
  acknowledged: z.enum(["true", "false"]).optional().describe("Only incidents that are acknowledged, or are not."),
  from: instantUs.optional(),
  to: instantUs.optional(),
  after: z.string().max(4_096).optional().describe("An earlier page's `next`."),
  limit: whole({ min: 1, max: 1_000, standard: 200 }),
});
type Query = z.output<typeof incidentsQuery>;
type IncidentsCall = Call<unknown, Query>;

const ENDS: Readonly<Record<string, readonly AlertChange["state"][]>> = {
  ended: ["resolved", "inactive"],
  resolved: ["resolved"],
};

export const incidents = operation({
  method: "GET",
  path: "/api/v1/incidents",
  id: "incidents",
  tag: "alerts",
  summary: "Incidents: title, worst value, duration, acknowledgement and notifications",
  description:
    "`state=open`, `pending` or `firing`: those that are open now. `resolved`: those that fired and ended in a span of " +
    "event time (a day by default); `ended`: also those that ended before they fired. If the store has no history or " +
    "does not answer, these are only the newest ones, from memory.",
  scope: { channels: ["alerts"] },
  query: incidentsQuery,
  filter: "`rule`, `severity` and labels",
  answer: incidentsAnswer,
  problems: STORE_PROBLEMS,
  example: { query: { state: "resolved", limit: "1", rule: "cold-*", site: "n*" } },
  async handle(call) {
    const ends = ENDS[call.query.state];
    return ends === undefined ? openIncidents(call) : await endedIncidents(call, ends);
  },
});

function openIncidents(call: IncidentsCall) {
  const { query, filter, views } = call;
  const all = views.alerts.open().filter(({ change }) => alertMatches(filter, change));
  const counts = countsOf(all, call);
  const wanted = all.filter(({ change }) => {
    return (query.state === "open" || change.state === query.state) && isWanted(change.incident, call);
  });
  return { ...pageOfKept(wanted, "open", call), counts, source: "memory" };
}

function countsOf(open: readonly AlertEntry[], { views }: IncidentsCall) {
  const firing = open.filter(({ change }) => change.state === "firing");
  const acknowledged = firing.filter(({ change }) => views.incidentEvents.acknowledgement(change.incident)).length;
  const unacknowledged = firing.length - acknowledged;
  return { firing: firing.length, pending: open.length - firing.length, acknowledged, unacknowledged };
}

/** Whether an incident is acknowledged or not, as the query wants. */
function isWanted(incident: string, { query, views }: IncidentsCall): boolean {
  const { acknowledged } = query;
  if (acknowledged === undefined) return true;
  return (views.incidentEvents.acknowledgement(incident) !== undefined) === (acknowledged === "true");
}

/** From the store, or else from memory. */
async function endedIncidents(call: IncidentsCall, ends: readonly AlertChange["state"][]) {
  const { query, filter, views, log } = call;
  const fits = (change: AlertChange) => ends.includes(change.state) && alertMatches(filter, change);
  if (query.after?.startsWith("kept.")) return endedInMemory(call, fits);
  try {
    const { alerts, end } = await storedPage(call, fits);
    const events = await eventsOf([...new Set(alerts.map(({ incident }) => incident))], { log, views });
    const summaries = alerts.flatMap((change) => summaryOf([change], events(change.incident)) ?? []);
    // A page may have fewer incidents than the limit: who acknowledged them is known only now.
    const wanted = summaries.filter(({ acknowledgement }) => {
      return query.acknowledged === undefined || (acknowledgement !== undefined) === (query.acknowledged === "true");
    });
    return { incidents: wanted, source: "store", ...(end && { next: cursorText(end) }) };
  } catch (error) {
    const isUnavailable = error instanceof ApiError && [502, 503].includes(error.problem.status);
    if (!isUnavailable || query.after !== undefined) throw error;
    return endedInMemory(call, fits);
  }
}

function endedInMemory(call: IncidentsCall, fits: (change: AlertChange) => boolean) {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = call.query;
  const isInSpan = ({ atUs }: AlertChange) => atUs >= from && atUs < to;
  const wanted = call.views.alerts
    .ended()
    .filter(({ change }) => fits(change) && isInSpan(change) && isWanted(change.incident, call));
  return { ...pageOfKept(wanted, "kept", call), source: "memory" };
}

/** A page of entries, newest first. */
function pageOfKept(entries: readonly AlertEntry[], cursor: "open" | "kept", { query, views }: IncidentsCall) {
  const { after, limit } = query;
  const before = after === undefined ? Number.POSITIVE_INFINITY : positionCursor(cursor, after);
  const rest = entries.filter(({ position }) => position < before);
  const page = rest.slice(0, limit);
  const incidents = page.map(({ change: { incident } }) => {
    const summary = summaryOf(views.alerts.changesOf(incident), views.incidentEvents.of(incident));
    if (summary === undefined) throw badCursor();
    return summary;
  });
  return { incidents, ...(rest.length > limit && { next: `${cursor}.${page.at(-1)?.position}` }) };
}
