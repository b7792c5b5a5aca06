import { z } from "zod";
import { EXPLAIN_INCIDENT } from "../../contracts/explanations.ts";
import {
  ALERTS_LIST,
  DELIVERIES_LIST,
  type DeliveriesQuery,
  type OpenAlert,
  type OpenAlertsQuery,
} from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { compileFilter, tagOf } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { Views } from "../views/views.ts";
import type { ApiDeps } from "./api.ts";
import { ApiError } from "./api-error.ts";
import { askService } from "./ask.ts";
import { parseQuery, whole } from "./query.ts";

export const NOTIFIER = { who: "the notifier", service: "notifier", code: "notifier", timeoutMs: 5_000 };
/** It may have to read much of the log. */
const EXPLAINER = { who: "who explains incidents", service: "processors", code: "explanation", timeoutMs: 8_000 };

/** Marked ones are looked for among so many. */
const MARKED_AMONG = 100_000;

/** In place of an incident's name. */
const ELSEWHERE = "an incident elsewhere";

const nothing = z.strictObject({});

/** The changes of one incident that are kept here, oldest first. 404 for others: the store's are in `/api/v1/alerts`. */
export async function incident(query: URLSearchParams, { grant, views, params }: ApiDeps): Promise<string> {
  parseQuery(nothing, query, "reject");
  const changes = changesOf(views, params.incident ?? "", grant.sites);
  if (changes.length === 0) throw unknownIncident(params.incident ?? "");
  return JSON.stringify({ incident: params.incident, changes });
}

export const openAlertsQuery = z.strictObject({
  limit: whole({ min: 1, max: 5_000, standard: 1_000 }),
  marked: z
    .enum(["true", "false"])
    .default("false")
    .describe("Only those that somebody took on or silenced, or that others inhibit."),
});

/** What the notifier knows of open incidents: who took them on, and which silences and other incidents hold them. */
export async function openAlerts(query: URLSearchParams, { grant, bus, views }: ApiDeps): Promise<string> {
  const { limit, marked } = parseQuery(openAlertsQuery, query, "reject");
  const asked: OpenAlertsQuery = { limit: marked === "true" ? MARKED_AMONG : limit };
  const answer = await askService(bus, ALERTS_LIST, asked, NOTIFIER);
  const filter = compileFilter({}, grant.sites);
  const alerts = answer
    .filter((alert) => marked === "false" || isMarked(alert))
    .filter(({ key, labels }) => filter.matches((name) => tagOf(key, name) || tagOf(labels, name)))
    .slice(0, limit);
  const name = nameShown(views, grant.sites);
  return JSON.stringify({
    alerts: alerts.map((alert) => ({ ...alert, inhibitedBy: alert.inhibitedBy.map(name) })),
  });
}

function isMarked({ acknowledgement, silencedBy, inhibitedBy }: OpenAlert): boolean {
  return acknowledgement !== undefined || silencedBy.length > 0 || inhibitedBy.length > 0;
}

/** For incidents that others are inhibited by: one of a site that a token does not show has no name there. */
function nameShown(views: Views, sites: readonly string[] | undefined): (incident: string) => string {
  if (sites === undefined) return (incident) => incident;
  const filter = compileFilter({}, sites);
  const changes = views.alerts.snapshot().map(({ change }) => change);
  const shown = new Set(changes.filter((change) => alertMatches(filter, change)).map(({ incident }) => incident));
  return (incident) => (shown.has(incident) ? incident : ELSEWHERE);
}

/** Who was told of an incident's changes, and what became of it. */
export async function deliveries(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  parseQuery(nothing, query, "reject");
  const incident = requireShown(deps);
  const question: DeliveriesQuery = { incident };
  const answer = await askService(deps.bus, DELIVERIES_LIST, question, NOTIFIER);
  const name = nameShown(deps.views, deps.grant.sites);
  const shown = answer.map(({ inhibitedBy, ...delivery }) => ({
    ...delivery,
    ...(inhibitedBy && { inhibitedBy: inhibitedBy.map(name) }),
  }));
  return JSON.stringify({ incident, deliveries: shown });
}

/** How an incident came to be, window by window, where a service can tell it; otherwise its changes' evidence is all. */
export async function explanation(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  parseQuery(nothing, query, "reject");
  const incident = requireShown(deps);
  const answer = await askService(deps.bus, EXPLAIN_INCIDENT, { incident }, EXPLAINER);
  return JSON.stringify({ incident, explanation: answer });
}

/** Tokens that show some sites learn nothing of incidents elsewhere. Throws ApiError. */
export function requireShown({ grant, views, params }: ApiDeps): string {
  const incident = params.incident ?? "";
  if (grant.sites === undefined || changesOf(views, incident, grant.sites).length > 0) return incident;
  throw unknownIncident(incident);
}

function changesOf(views: Views, incident: string, sites: readonly string[] | undefined): AlertChange[] {
  const filter = compileFilter({}, sites);
  return views.alerts
    .snapshot()
    .map(({ change }) => change)
    .filter((change) => change.incident === incident && alertMatches(filter, change));
}

function unknownIncident(incident: string): ApiError {
  const message = `no incident ${JSON.stringify(incident)} is kept here: it is misspelt, too old, or not for this token`;
  return new ApiError({ status: 404, code: "unknown-incident", message });
}
