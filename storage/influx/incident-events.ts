import { type IncidentEvent, incidentEventSchema, newestEvents } from "../../contracts/incident-events.ts";
import { parseIncidentId } from "../../domain/alert-ids.ts";
import type { InfluxClient } from "./influx-client.ts";
import { literal, storedName } from "./line-protocol.ts";

/** InfluxDB evaluates each condition for each point of a rule. */
const INCIDENTS_PER_STATEMENT = 40;

/** Oldest first. Each state of an event is a point of its own, and the newest one counts. */
export async function readIncidentEvents(client: InfluxClient, incidents: readonly string[]): Promise<IncidentEvent[]> {
  const byRule = new Map<string, string[]>();
  for (const incident of incidents) {
    const own = byRule.get(ruleOf(incident));
    if (own) own.push(incident);
    else byRule.set(ruleOf(incident), [incident]);
  }
  const statements: string[] = [];
  for (const [rule, own] of byRule) {
    for (let first = 0; first < own.length; first += INCIDENTS_PER_STATEMENT) {
      const some = own.slice(first, first + INCIDENTS_PER_STATEMENT);
      // The incident is a field, which has no index; the rule is a tag.
      const ofIncident = some.map((incident) => `"incident" = ${literal(incident)}`).join(" OR ");
      const where = `"rule" = ${literal(storedName(rule))} AND (${ofIncident})`;
      statements.push(`SELECT "event" FROM "incident_events" WHERE ${where}`);
    }
  }
  const answers = await client.query(statements);
  return newestEvents(answers.flat().map(([, event]) => incidentEventSchema.parse(JSON.parse(String(event)))));
}

/** An id of another form is its own rule. */
export function ruleOf(incident: string): string {
  return parseIncidentId(incident)?.rule ?? incident;
}
