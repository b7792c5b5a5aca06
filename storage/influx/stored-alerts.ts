import type { AlertCursor, AlertsPage, AlertsQuery, IncidentQuery } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { parseIncidentId } from "../../domain/alert-ids.ts";
import { alertsPage, INCIDENT_CHANGES_MAX } from "../common/alerts-page.ts";
import type { InfluxClient } from "./influx-client.ts";
import { literal, storedName } from "./line-protocol.ts";

interface StoredChange {
  readonly atUs: number;
  readonly id: string;
  readonly text: string;
}

export async function readAlerts(client: InfluxClient, query: AlertsQuery): Promise<AlertsPage> {
  const { fromUs, limit, after } = query;
  const found: StoredChange[] = [];
  let toUs = after === undefined ? query.toUs : Math.min(query.toUs, after.atUs + 1);
  while (toUs > fromUs && found.length <= limit) {
    const { changes, restToUs } = await wholeInstants(client, { fromUs, toUs, limit: limit + 1 });
    found.push(...changes.filter((change) => after === undefined || isBehind(change, after)));
    toUs = restToUs;
  }
  return pageOf(found, limit);
}

export async function readIncident(client: InfluxClient, { incident, after }: IncidentQuery): Promise<AlertsPage> {
  const rule = parseIncidentId(incident)?.rule;
  // The incident is a field, which has no index; the rule is a tag.
  const ofRule = rule === undefined ? "" : `"rule" = ${literal(storedName(rule))} AND `;
  const changes = await readChanges(client, `${ofRule}"incident" = ${literal(incident)}`);
  return pageOf(
    changes.filter((change) => after === undefined || isBehind(change, after)),
    INCIDENT_CHANGES_MAX,
  );
}

/**
 * The newest changes of a span, in order. InfluxDB returns those of one instant in any order and can cut an instant in
 * two, so this leaves out an instant that may be incomplete.
 */
async function wholeInstants(
  client: InfluxClient,
  { fromUs, toUs, limit }: { readonly fromUs: number; readonly toUs: number; readonly limit: number },
): Promise<{ readonly changes: readonly StoredChange[]; readonly restToUs: number }> {
  const found = await readChanges(client, `time >= ${fromUs}u AND time < ${toUs}u`, limit);
  if (found.length < limit) return { changes: found, restToUs: fromUs };
  const oldestUs = found.at(-1)?.atUs ?? fromUs;
  const whole = found.filter(({ atUs }) => atUs > oldestUs);
  if (whole.length > 0) return { changes: whole, restToUs: oldestUs + 1 };
  return { changes: await readChanges(client, `time >= ${oldestUs}u AND time < ${oldestUs + 1}u`), restToUs: oldestUs };
}

async function readChanges(client: InfluxClient, where: string, limit?: number): Promise<StoredChange[]> {
  const most = limit === undefined ? "" : `LIMIT ${limit}`;
  const [rows = []] = await client.query([`SELECT "change" FROM "alerts" WHERE ${where} ORDER BY time DESC ${most}`]);
  const changes = rows.map(([, change]) => {
    const text = String(change);
    const { atUs, id } = JSON.parse(text) as AlertChange;
    return { atUs, id, text };
  });
  return changes.sort((a, b) => (isBehind(a, b) ? 1 : -1));
}

function pageOf(changes: readonly StoredChange[], limit: number): AlertsPage {
  return alertsPage(
    changes.slice(0, limit + 1).map(({ text }) => text),
    limit,
  );
}

/** Whether a change follows a position in the order: newest first, and by descending id within an instant. */
function isBehind(change: AlertCursor, cursor: AlertCursor): boolean {
  return change.atUs < cursor.atUs || (change.atUs === cursor.atUs && change.id < cursor.id);
}
