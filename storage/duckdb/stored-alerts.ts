import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import type { AlertCursor, AlertsPage, AlertsQuery, IncidentQuery } from "../../contracts/history.ts";
import { alertsPage, INCIDENT_CHANGES_MAX } from "../common/alerts-page.ts";
import { timestamp } from "./row-chunk.ts";

export async function readAlerts(connection: DuckDBConnection, query: AlertsQuery): Promise<AlertsPage> {
  const { fromUs, toUs, limit, after } = query;
  const where = { sql: "time >= ? AND time < ?", values: [timestamp(fromUs), timestamp(toUs)] };
  return await readPage(connection, where, { limit, after });
}

export async function readIncident(connection: DuckDBConnection, query: IncidentQuery): Promise<AlertsPage> {
  const where = { sql: "incident = ?", values: [query.incident] };
  return await readPage(connection, where, { limit: INCIDENT_CHANGES_MAX, after: query.after });
}

/** Reads one more than requested, to see whether more exist. */
async function readPage(
  connection: DuckDBConnection,
  where: { readonly sql: string; readonly values: readonly DuckDBValue[] },
  { limit, after }: { readonly limit: number; readonly after: AlertCursor | undefined },
): Promise<AlertsPage> {
  const behind = after === undefined ? "" : "AND (time < ? OR (time = ? AND id < ?))";
  const cursor = after === undefined ? [] : [timestamp(after.atUs), timestamp(after.atUs), after.id];
  const sql = `SELECT change FROM alerts WHERE ${where.sql} ${behind} ORDER BY time DESC, id DESC LIMIT ?`;
  const rows = await connection.runAndReadAll(sql, [...where.values, ...cursor, BigInt(limit + 1)]);
  return alertsPage(
    rows.getRows().map(([change]) => String(change)),
    limit,
  );
}
