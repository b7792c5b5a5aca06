import { HISTORY_INCIDENT, HISTORY_INCIDENT_EVENTS } from "../../contracts/history.ts";
import type { IncidentSummary } from "../../contracts/http/alerts.ts";
import { type IncidentEvent, newestEvents } from "../../contracts/incident-events.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { incidentFacts } from "../../domain/incident.ts";
import type { Log } from "../../platform/log/port.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { alertMatches } from "../views/alerts-view.ts";
import { acknowledgementIn } from "../views/incident-events.ts";
import type { Views } from "../views/views.ts";
import { ApiError } from "./api-error.ts";
import { askService, STORE } from "./ask-service.ts";

/** The most requests to the store for one incident. */
const ASKS_MAX = 20;

export interface Sources {
  readonly log: Log;
  readonly views: Views;
  readonly filter: CompiledFilter;
}

/**
 * The changes of an incident that the filter shows, oldest first: from memory, and from the store if memory lacks its
 * beginning. Throws ApiError if neither has any.
 */
export async function changesOf(incident: string, sources: Sources): Promise<AlertChange[]> {
  const kept = sources.views.alerts.changesOf(incident);
  let changes = kept;
  let problem = "";
  if (kept[0]?.from !== "inactive") {
    try {
      changes = merged([...(await storedChanges(incident, sources.log)), ...kept]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem = error.message;
    }
  }
  const shown = changes.filter((change) => alertMatches(sources.filter, change));
  if (shown.length === 0) throw unknownIncident(incident, problem);
  return shown;
}

async function storedChanges(incident: string, log: Log): Promise<AlertChange[]> {
  const found: AlertChange[] = [];
  let page = await askService(log.bus, HISTORY_INCIDENT, { incident }, STORE);
  for (let asks = 1; ; asks++) {
    found.push(...page.changes);
    if (page.next === null || asks >= ASKS_MAX) return found;
    page = await askService(log.bus, HISTORY_INCIDENT, { incident, after: page.next }, STORE);
  }
}

function merged(changes: readonly AlertChange[]): AlertChange[] {
  const byId = new Map(changes.map((change) => [change.id, change]));
  return [...byId.values()].sort(
    (a, b) =>
      a.atUs - b.atUs || a.processedAtUs - b.processedAtUs || a.evidence.input.sequence - b.evidence.input.sequence,
  );
}

/**
 * What people and the notifier did about incidents, oldest first. Memory has the newest, and the store the rest. If the
 * store does not answer, or has no history, memory is all there is.
 */
export async function eventsOf(
  incidents: readonly string[],
  { log, views }: Pick<Sources, "log" | "views">,
): Promise<(incident: string) => readonly IncidentEvent[]> {
  const stored = new Map<string, IncidentEvent[]>();
  if (incidents.length > 0) {
    for (const event of await storedEvents(incidents, log)) {
      const own = stored.get(event.incident);
      if (own) own.push(event);
      else stored.set(event.incident, [event]);
    }
  }
  return (incident) => newestEvents([...(stored.get(incident) ?? []), ...views.incidentEvents.of(incident)]);
}

async function storedEvents(incidents: readonly string[], log: Log): Promise<readonly IncidentEvent[]> {
  try {
    return await askService(log.bus, HISTORY_INCIDENT_EVENTS, { incidents }, STORE);
  } catch (error) {
    if (error instanceof ApiError) return [];
    throw error;
  }
}

/** Undefined without changes. */
export function summaryOf(
  changes: readonly AlertChange[],
  events: readonly IncidentEvent[],
): IncidentSummary | undefined {
  const facts = incidentFacts(changes);
  if (facts === undefined) return undefined;
  const acknowledgement = acknowledgementIn(events);
  const deliveries = events.flatMap((event) => (event.kind === "delivery" ? [event.delivery] : []));
  return { ...facts, ...(acknowledgement && { acknowledgement }), deliveries };
}

export function unknownIncident(incident: string, problem = ""): ApiError {
  const known = `there is no incident ${JSON.stringify(incident)}`;
  const message =
    problem === ""
      ? `${known}: the id is misspelt, the incident is too old, or the token does not show it`
      : `${known} among those that the feed keeps, and ${problem}`;
  return new ApiError({ status: 404, code: "unknown-incident", message });
}
