import { z } from "zod";
import { EXPLAIN_INCIDENT } from "../../contracts/explanations.ts";
import { deliveriesAnswer, explanationAnswer, incidentAnswer, openAlertsAnswer } from "../../contracts/http/alerts.ts";
import {
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  acknowledgementSchema,
  DELIVERIES_LIST,
  type DeliveriesQuery,
  type Delivery,
  type NewAcknowledgement,
  OPEN_ALERTS_MAX,
  type OpenAlert,
  type OpenAlertsQuery,
} from "../../contracts/notifications.ts";
import { type CompiledFilter, tagOf } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import type { Views } from "../views/views.ts";
import {
  askService,
  EXPLAINER,
  NOTIFIER,
  NOTIFIER_ORDER,
  NOTIFIER_ORDER_PROBLEMS,
  NOTIFIER_PROBLEMS,
} from "./ask-service.ts";
import { orderedBy, requireAuthor } from "./author.ts";
import { changesOf, eventsOf, summaryOf } from "./known-incidents.ts";
import { type ApiContext, type Call, operation } from "./operation.ts";
import { badCursor } from "./past-alerts.ts";
import { whole } from "./query.ts";

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
  summary: "One incident with its changes, also after its end",
  scope,
  params,
  answer: incidentAnswer,
  problems: { 404: "Neither the feed nor the store has this incident, or the token does not show it." },
  example,
  async handle(call) {
    const { incident } = call.params;
    const [changes, events] = await Promise.all([changesOf(incident, call), eventsOf([incident], call)]);
    const summary = summaryOf(changes, events(incident));
    return { incident, summary, changes };
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
    limit: whole({ min: 1, max: OPEN_ALERTS_MAX, standard: 1_000 }),
    after: z.string().max(4_096).optional().describe("An earlier page's `next`."),
    marked: z
      .enum(["true", "false"])
      .default("false")
      .describe("Only incidents that are acknowledged, silenced or inhibited."),
  }),
  answer: openAlertsAnswer,
  problems: NOTIFIER_PROBLEMS,
  example: { query: { marked: "true" } },
  async handle({ query, filter, log, views }) {
    const { limit, marked, after } = query;
    const alerts: OpenAlert[] = [];
    let from = after === undefined ? undefined : openAlertsCursor(after);
    for (;;) {
      const question: OpenAlertsQuery = {
        limit: OPEN_ALERTS_MAX,
        ...(marked === "true" && { marked: true }),
        ...(from && { after: from }),
      };
      const page = await askService(log.bus, ALERTS_LIST, question, NOTIFIER);
      const isShown = ({ key, labels }: OpenAlert) => filter.matches((name) => tagOf(key, name) || tagOf(labels, name));
      alerts.push(...page.filter(isShown));
      const last = page.at(-1);
      if (last === undefined || page.length < OPEN_ALERTS_MAX || alerts.length > limit) break;
      from = { activeAtUs: last.activeAtUs, incident: last.incident };
    }
    const shown = idsShown(views, filter);
    const answered = alerts.slice(0, limit).map((alert) => ({ ...alert, inhibitedBy: alert.inhibitedBy.map(shown) }));
    const last = alerts.length > limit ? answered.at(-1) : undefined;
    return { alerts: answered, ...(last && { next: `${last.activeAtUs}.${last.incident}` }) };
  },
});

function openAlertsCursor(after: string): NonNullable<OpenAlertsQuery["after"]> {
  const [, activeAtUs, incident] = /^(-?\d{1,16})\.(.+)$/s.exec(after) ?? [];
  if (incident === undefined) throw badCursor();
  return { activeAtUs: Number(activeAtUs), incident };
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
    const { views, filter } = call;
    const incident = await requireShown(call);
    const shown = idsShown(views, filter);
    const deliveries = (await deliveriesOf(incident, call)).map(({ inhibitedBy, ...delivery }) => ({
      ...delivery,
      ...(inhibitedBy && { inhibitedBy: inhibitedBy.map(shown) }),
    }));
    return { incident, deliveries };
  },
});

/** From the notifier, which also knows what waits; and from the log and the store, which know longer. */
async function deliveriesOf(incident: string, { log, views }: ApiContext): Promise<readonly Delivery[]> {
  const question: DeliveriesQuery = { incident };
  const [asked, events] = await Promise.all([
    askService(log.bus, DELIVERIES_LIST, question, NOTIFIER).catch((error: unknown) => error),
    eventsOf([incident], { log, views }),
  ]);
  const known = events(incident).flatMap((event) => (event.kind === "delivery" ? [event.delivery] : []));
  if (!Array.isArray(asked)) {
    if (known.length > 0) return known;
    throw asked;
  }
  const answer: readonly Delivery[] = asked;
  const isAnswered = (each: Delivery) =>
    answer.some((one) => one.receiver === each.receiver && one.change === each.change);
  return [...answer, ...known.filter((each) => !isAnswered(each))].sort((a, b) => a.atUs - b.atUs);
}

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
    const incident = await requireShown(call);
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
      incident: await requireShown(call),
      by: requireAuthor(by, call.grant),
      ...(note === undefined ? {} : { note }),
    };
    return await askService(call.log.bus, ALERTS_ACKNOWLEDGE, question, NOTIFIER_ORDER);
  },
});

/** The incident in the path. A token for some sites learns nothing about incidents elsewhere. Throws ApiError. */
async function requireShown(call: Call<{ readonly incident: string }>): Promise<string> {
  const { incident } = call.params;
  if (call.grant.sites !== undefined) await changesOf(incident, call);
  return incident;
}

/** Hides the ids of inhibiting incidents that the token does not show. */
function idsShown(views: Views, filter: CompiledFilter): (incident: string) => string {
  if (!filter.restricted) return (incident) => incident;
  const isShown = (incident: string) => views.alerts.changesOf(incident).some((change) => alertMatches(filter, change));
  return (incident) => (isShown(incident) ? incident : ELSEWHERE);
}
