import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { DAILY_RULE, HAZARD_RULE } from "./rules.ts";
import { literal } from "./sql.ts";

/**
 * Creates the views `actual_readings`, `actual_windows` and `actual_alerts` over the embedded store. Stop the gateway
 * first: only one process can open the file.
 */
export async function attachDuckdb(connection: DuckDBConnection, dataDir: string): Promise<void> {
  const files = (await readdir(dataDir, { recursive: true })).filter((name) => name.endsWith(".duckdb"));
  const [file] = files;
  if (file === undefined || files.length > 1) throw new Error(`${files.length} .duckdb files in ${dataDir}, not one`);
  await connection.run(`ATTACH ${literal(join(dataDir, file))} AS store (READ_ONLY)`);
  await connection.run(`
    CREATE TEMP VIEW actual_readings AS
    SELECT device, metric, epoch_us(time) AS at_us, value AS number, text FROM store.readings`);
  // The store has one row per aggregate.
  await connection.run(`
    CREATE TEMP TABLE actual_windows AS
    SELECT labels->>'device' AS device, labels->>'metric' AS metric, epoch_us(start_time) AS start_us,
      epoch_us(end_time) AS end_us, max(revision) AS revision,
      max(value) FILTER (aggregate = 'count') AS count, max(value) FILTER (aggregate = 'min') AS min,
      max(value) FILTER (aggregate = 'max') AS max, max(value) FILTER (aggregate = 'avg') AS avg
    FROM store.windows WHERE rule = ${literal(DAILY_RULE)} GROUP BY ALL`);
  await connection.run(`
    CREATE TEMP TABLE actual_alerts AS
    SELECT key->>'device' AS device, state, epoch_us(time) AS at_us, value
    FROM store.alerts WHERE rule = ${literal(HAZARD_RULE)}`);
}
