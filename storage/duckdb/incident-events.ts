import type { DuckDBConnection } from "@duckdb/node-api";
import { type IncidentEvent, incidentEventSchema, newestEvents } from "../../contracts/incident-events.ts";
import { append } from "./append.ts";
import { timestamp } from "./row-chunk.ts";

/** A newer state of an event replaces the one that is stored, whatever the order in which they come. */
const DELETE_OLDER = `
  DELETE FROM incident_events e USING new_events n
  WHERE e.id = n.id AND (n.time > e.time OR (n.time = e.time AND n.event > e.event))`;
const INSERT_NEW = `
  INSERT INTO incident_events SELECT n.* FROM new_events n
  WHERE NOT EXISTS (SELECT 1 FROM incident_events e WHERE e.id = n.id)`;

/** Returns how many were already stored, in this state or a newer one. */
export async function writeIncidentEvents(
  connection: DuckDBConnection,
  events: readonly IncidentEvent[],
): Promise<number> {
  if (events.length === 0) return 0;
  await connection.run("CREATE OR REPLACE TEMP TABLE new_events AS SELECT * FROM incident_events LIMIT 0");
  await append(connection, "new_events", (appender) => {
    for (const event of newestEvents(events)) {
      appender.appendVarchar(event.id);
      appender.appendVarchar(event.incident);
      appender.appendTimestamp(timestamp(event.atUs));
      appender.appendVarchar(event.kind);
      appender.appendVarchar(JSON.stringify(event));
      appender.endRow();
    }
  });
  await connection.run(DELETE_OLDER);
  const inserted = await connection.run(INSERT_NEW);
  await connection.run("DROP TABLE new_events");
  return events.length - inserted.rowsChanged;
}

/** Oldest first. */
export async function readIncidentEvents(
  connection: DuckDBConnection,
  incidents: readonly string[],
): Promise<IncidentEvent[]> {
  const places = incidents.map(() => "?").join(", ");
  const sql = `SELECT event FROM incident_events WHERE incident IN (${places}) ORDER BY time, id`;
  const rows = await connection.runAndReadAll(sql, [...incidents]);
  return rows.getRows().map(([event]) => incidentEventSchema.parse(JSON.parse(String(event))));
}
