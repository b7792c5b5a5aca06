import { z } from "zod";
import { EXPLAIN_INCIDENT } from "../../contracts/explanations.ts";
import { deliveriesAnswer, explanationAnswer, incidentAnswer, openAlertsAnswer } from "../../contracts/http/alerts.ts";
import {
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  acknowledgementSchema,
  DELIVERIES_LIST,
  type DeliveriesQuery,
  type NewAcknowledgement,
  type OpenAlert,
  type OpenAlertsQuery,
} from "../../contracts/notifications.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { type CompiledFilter, tagOf } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { Views } from "../views/views.ts";
import { ApiError } from "./api-error.ts";
import {
  askService,
  EXPLAINER,
  NOTIFIER,
  NOTIFIER_ORDER,
  NOTIFIER_ORDER_PROBLEMS,
  NOTIFIER_PROBLEMS,
} from "./ask-service.ts";
import { orderedBy, requireAuthor } from "./author.ts";
import { type Call, operation } from "./operation.ts";
import { whole } from "./query.ts";

/** Acknowledged, silenced and inhibited alerts are searched among this many. */
const MARKED_AMONG = 100_000;

/** Replaces the id of an incident that the token does not show. */
const ELSEWHERE = "an incident elsewhere";

const tag = "alerts";
const scope = { channels: ["alerts"] } as const;
const params = z.object({ incident: z.string().describe("An incident's id, URL-encoded.") });
const example = { params: { incident: "cold-room-warm/north-cold-1/1763769600000000" } };
const notShown = { 404: "The token does not show this incident, or it does not exist." };

export const incident = operation({
  method: "GET",
  path: "/api/v1/alerts/{incident}",
  id: "incident",
  tag,
  summary: "The changes of one incident that the feed keeps",
  scope,
  params,
  answer: incidentAnswer,
  problems: { 404: "The feed does not have this incident. The store may have it: see `/api/v1/alerts`." },
  example,
  async handle({ params, filter, views }) {
    const changes = changesOf(views, params.incident, filter);
    if (changes.length === 0) throw unknownIncident(params.incident);
    return { incident: params.incident, changes };
  },
});

export const openAlerts = operation({
  method: "GET",
  path: "/api/v1/open-alerts",
  id: "openAlerts",
  tag,
  summary: "What the notifier knows about open incidents: acknowledgements, silences and inhibitions",
  scope,
  query: z.strictObject({
    limit: whole({ min: 1, max: 5_000, standard: 1_000 }),
    marked: z
      .enum(["true", "false"])
      .default("false")
      .describe("Only incidents that are acknowledged, silenced or inhibited."),
  }),
  answer: openAlertsAnswer,
  problems: NOTIFIER_PROBLEMS,
  example: { query: { marked: "true" } },
  async handle({ query, filter, log, views }) {
    const { limit, marked } = query;
    const question: OpenAlertsQuery = { limit: marked === "true" ? MARKED_AMONG : limit };
    const answer = await askService(log.bus, ALERTS_LIST, question, NOTIFIER);
    const alerts = answer
      .filter((alert) => marked === "false" || isMarked(alert))
      .filter(({ key, labels }) => filter.matches((name) => tagOf(key, name) || tagOf(labels, name)))
      .slice(0, limit);
    const shown = idsShown(views, filter);
    return { alerts: alerts.map((alert) => ({ ...alert, inhibitedBy: alert.inhibitedBy.map(shown) })) };
  },
});

function isMarked({ acknowledgement, silencedBy, inhibitedBy }: OpenAlert): boolean {
  return acknowledgement !== undefined || silencedBy.length > 0 || inhibitedBy.length > 0;
}

export const deliveries = operation({
  method: "GET",
  path: "/api/v1/alerts/{incident}/deliveries",
  id: "deliveries",
  tag,
  summary: "Who was notified of an incident, and with what outcome",
  scope,
  params,
  answer: deliveriesAnswer,
  problems: { ...NOTIFIER_PROBLEMS, ...notShown },
  example,
  async handle(call) {
    const { log, views, filter } = call;
    const incident = requireShown(call);
    const question: DeliveriesQuery = { incident };
    const answer = await askService(log.bus, DELIVERIES_LIST, question, NOTIFIER);
    const shown = idsShown(views, filter);
    const deliveries = answer.map(({ inhibitedBy, ...delivery }) => ({
      ...delivery,
      ...(inhibitedBy && { inhibitedBy: inhibitedBy.map(shown) }),
    }));
    return { incident, deliveries };
  },
});

export const explanation = operation({
  method: "GET",
  path: "/api/v1/alerts/{incident}/explanation",
  id: "explanation",
  tag,
  summary: "Why an incident began, from the log: windows, readings, and the aggregate computed again",
  scope,
  params,
  answer: explanationAnswer,
  problems: {
    ...notShown,
    502: "The incident could not be explained; the answer says why.",
    503: "No processor answers.",
  },
  example,
  async handle(call) {
    const incident = requireShown(call);
    return { incident, explanation: await askService(call.log.bus, EXPLAIN_INCIDENT, { incident }, EXPLAINER) };
  },
});

export const acknowledge = operation({
  method: "POST",
  path: "/api/v1/alerts/{incident}/acknowledge",
  id: "acknowledge",
  tag,
  summary: "Acknowledge an incident: its notifications no longer repeat",
  scope,
  params,
  body: z.strictObject({ by: orderedBy, note: z.string().max(2_000).optional() }),
  answer: acknowledgementSchema,
  problems: { ...NOTIFIER_ORDER_PROBLEMS, ...notShown },
  example: { ...example, body: { by: "ann", note: "on my way" } },
  async handle(call) {
    const { by, note } = call.body;
    const question: NewAcknowledgement = {
      incident: requireShown(call),
      by: requireAuthor(by, call.grant),
      ...(note === undefined ? {} : { note }),
    };
    return await askService(call.log.bus, ALERTS_ACKNOWLEDGE, question, NOTIFIER_ORDER);
  },
});

/** The incident in the path. A token for some sites learns nothing about incidents elsewhere. Throws ApiError. */
function requireShown({ grant, views, params, filter }: Call<{ readonly incident: string }>): string {
  const { incident } = params;
  if (grant.sites === undefined || changesOf(views, incident, filter).length > 0) return incident;
  throw unknownIncident(incident);
}

function changesOf(views: Views, incident: string, filter: CompiledFilter): AlertChange[] {
  return views.alerts
    .snapshot()
    .map(({ change }) => change)
    .filter((change) => change.incident === incident && alertMatches(filter, change));
}

/** Hides the ids of inhibiting incidents that the token does not show. */
function idsShown(views: Views, filter: CompiledFilter): (incident: string) => string {
  if (!filter.restricted) return (incident) => incident;
  const changes = views.alerts.snapshot().map(({ change }) => change);
  const shown = new Set(changes.filter((change) => alertMatches(filter, change)).map(({ incident }) => incident));
  return (incident) => (shown.has(incident) ? incident : ELSEWHERE);
}

function unknownIncident(incident: string): ApiError {
  const message =
    `the feed keeps no incident ${JSON.stringify(incident)}: the id is misspelt, the incident is too old, ` +
    "or the token does not show it";
  return new ApiError({ status: 404, code: "unknown-incident", message });
}
