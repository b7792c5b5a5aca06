import type { DuckDBConnection } from "@duckdb/node-api";
import { number, rows } from "./sql.ts";

/** One line of the report. */
export interface Check {
  readonly what: string;
  readonly expected: number;
  readonly got: number;
  readonly equal: boolean;
  /** Some of the differences. */
  readonly examples: readonly string[];
}

/**
 * Averages are summed in a different order than in SQL. Where values cancel out, the error of an average near zero is
 * relative to the values, not to the average: a day from -4.9 to 3.3 degrees has averages of 1e-17 and -1e-16.
 */
const RELATIVE_ERROR_MAX = 1e-9;
const CANCELLATION_ERROR_MAX = 1e-14;
const EXAMPLES = 5;

/** Compares `cells`, `expected_windows` and `expected_alerts` with `actual_readings`, `_windows` and `_alerts`. */
export async function compare(connection: DuckDBConnection): Promise<Check[]> {
  return [
    ...(await compareReadings(connection)),
    ...(await compareWindows(connection)),
    ...(await compareAlerts(connection)),
  ];
}

async function compareReadings(connection: DuckDBConnection): Promise<Check[]> {
  const columns = "device, metric, at_us, number, text";
  const totals = (table: string): string =>
    `SELECT device, metric, count(*) AS n, count(number) AS numbers, min(number) AS low, max(number) AS high,
       round(sum(number::DECIMAL(18, 6)), 6) AS total, min(text) AS first_text, max(text) AS last_text,
       min(at_us) AS first_at, max(at_us) AS last_at
     FROM ${table} GROUP BY ALL`;
  return [
    await same(connection, "readings", "SELECT count(*) FROM cells", "SELECT count(*) FROM actual_readings"),
    await none(
      connection,
      "readings missing",
      `SELECT ${columns} FROM cells EXCEPT SELECT ${columns} FROM actual_readings`,
    ),
    await none(
      connection,
      "readings not in the recording, or with a different value",
      `SELECT ${columns} FROM actual_readings EXCEPT SELECT ${columns} FROM cells`,
    ),
    await none(
      connection,
      "readings stored twice",
      "SELECT device, metric, at_us FROM actual_readings GROUP BY ALL HAVING count(*) > 1",
    ),
    await same(
      connection,
      "series (station and metric)",
      "SELECT count(DISTINCT (device, metric)) FROM cells",
      "SELECT count(DISTINCT (device, metric)) FROM actual_readings",
    ),
    await none(
      connection,
      "series with a different count, sum, min, max or span",
      `(${totals("cells")} EXCEPT ${totals("actual_readings")}) UNION ALL
       (${totals("actual_readings")} EXCEPT ${totals("cells")})`,
    ),
  ];
}

async function compareWindows(connection: DuckDBConnection): Promise<Check[]> {
  const key = "device, metric, start_us, end_us";
  const near = `abs(a.avg - e.avg) <=
    greatest(${RELATIVE_ERROR_MAX} * abs(e.avg), ${CANCELLATION_ERROR_MAX} * greatest(abs(e.min), abs(e.max)))`;
  return [
    await same(
      connection,
      "daily windows that must be closed",
      "SELECT count(*) FROM expected_windows WHERE must_close",
      `SELECT count(*) FROM expected_windows e JOIN actual_windows a USING (${key}) WHERE e.must_close`,
    ),
    await none(
      connection,
      "daily windows missing",
      `SELECT ${key} FROM expected_windows WHERE must_close EXCEPT SELECT ${key} FROM actual_windows`,
    ),
    await none(
      connection,
      "unexpected daily windows",
      `SELECT ${key} FROM actual_windows EXCEPT SELECT ${key} FROM expected_windows`,
    ),
    await none(
      connection,
      "daily windows with a different count, min, max or avg",
      `SELECT ${key}, a.count, e.count, a.min, e.min, a.max, e.max, a.avg, e.avg
       FROM expected_windows e JOIN actual_windows a USING (${key})
       WHERE a.count IS DISTINCT FROM e.count OR a.min IS DISTINCT FROM e.min OR a.max IS DISTINCT FROM e.max
         OR NOT coalesce(${near}, false)`,
    ),
    await none(
      connection,
      "duplicate or corrected daily windows",
      `SELECT ${key} FROM actual_windows GROUP BY ALL HAVING count(*) > 1 OR max(revision) > 0`,
    ),
  ];
}

async function compareAlerts(connection: DuckDBConnection): Promise<Check[]> {
  const columns = "device, state, at_us, value";
  const checks: Check[] = [];
  for (const state of ["pending", "inactive", "firing", "resolved"]) {
    const count = (table: string): string => `SELECT count(*) FROM ${table} WHERE state = '${state}'`;
    checks.push(await same(connection, `alert changes: ${state}`, count("expected_alerts"), count("actual_alerts")));
  }
  checks.push(
    await none(
      connection,
      "alert changes missing",
      `SELECT ${columns} FROM expected_alerts EXCEPT ALL SELECT ${columns} FROM actual_alerts`,
    ),
    await none(
      connection,
      "unexpected alert changes",
      `SELECT ${columns} FROM actual_alerts EXCEPT ALL SELECT ${columns} FROM expected_alerts`,
    ),
  );
  return checks;
}

async function same(connection: DuckDBConnection, what: string, expected: string, got: string): Promise<Check> {
  const [wanted, found] = [await number(connection, expected), await number(connection, got)];
  return { what, expected: wanted, got: found, equal: wanted === found, examples: [] };
}

/** A query that must return no rows. */
async function none(connection: DuckDBConnection, what: string, sql: string): Promise<Check> {
  const got = await number(connection, `SELECT count(*) FROM (${sql})`);
  const examples =
    got === 0 ? [] : await rows<object>(connection, `SELECT * FROM (${sql}) ORDER BY ALL LIMIT ${EXAMPLES}`);
  return { what, expected: 0, got, equal: got === 0, examples: examples.map((row) => JSON.stringify(row)) };
}
