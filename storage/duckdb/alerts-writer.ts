import type { DuckDBConnection } from "@duckdb/node-api";
import type { AlertChange } from "../../domain/alert.ts";
import { textOfTags } from "../common/tags-text.ts";
import { append } from "./append.ts";
import { timestamp } from "./row-chunk.ts";

const INSERT_NEW = `
  INSERT INTO alerts
  SELECT n.* FROM (SELECT * FROM new_alerts QUALIFY row_number() OVER (PARTITION BY id ORDER BY time) = 1) n
  WHERE NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = n.id)`;

/** Alert changes are few, and each has an id. Returns how many were already stored. */
export async function writeAlerts(connection: DuckDBConnection, alerts: readonly AlertChange[]): Promise<number> {
  await connection.run("CREATE OR REPLACE TEMP TABLE new_alerts AS SELECT * FROM alerts LIMIT 0");
  await append(connection, "new_alerts", (appender) => {
    for (const alert of alerts) {
      appender.appendVarchar(alert.id);
      appender.appendTimestamp(timestamp(alert.atUs));
      appender.appendVarchar(alert.rule);
      appender.appendVarchar(alert.state);
      appender.appendVarchar(alert.severity);
      appender.appendVarchar(alert.incident);
      const { value } = alert;
      // A text value is only in the change.
      if (typeof value === "number" && Number.isFinite(value)) appender.appendDouble(value);
      else appender.appendNull();
      appender.appendVarchar(textOfTags(alert.key));
      appender.appendVarchar(JSON.stringify(alert));
      appender.endRow();
    }
  });
  const inserted = await connection.run(INSERT_NEW);
  await connection.run("DROP TABLE new_alerts");
  return alerts.length - inserted.rowsChanged;
}
