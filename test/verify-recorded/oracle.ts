import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { CLEAR_BELOW, HAZARD_ABOVE, HAZARD_FOR_HOURS, HAZARD_METRIC } from "./rules.ts";
import { literal, number, rows } from "./sql.ts";

const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;

export interface ExpectedAlert {
  readonly device: string;
  readonly state: "pending" | "inactive" | "firing" | "resolved";
  readonly at: number;
  readonly value: number;
}

/** An hour in which a station measured something, and its average. */
export interface Hour {
  readonly device: string;
  readonly endUs: number;
  readonly value: number;
}

/**
 * What a perfect gateway would have stored, computed with SQL over the recording's files only. It shares no code with the
 * gateway or the replay. Tables: `cells`, `expected_windows`, `expected_alerts`.
 *
 * A window closes at the first reading of its series (station and metric) at or past its end, because the rules have no
 * lateness. The last window of a series has no such reading. It closes only once as much real time has passed as
 * remained of the window. The run may end first, so this window may be missing; if it exists, it must be correct.
 */
export async function openOracle(folder: string): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
  const connection = await instance.connect();
  const files = (await readdir(folder)).filter((name) => /\.csv(\.gz)?$/.test(name)).map((name) => join(folder, name));
  if (files.length === 0) throw new Error(`no .csv or .csv.gz file in ${folder}`);
  // All columns as text: some cells of the original are a single space, which would break type detection.
  await connection.run(`
    CREATE TEMP TABLE cells AS
    WITH lines AS (
      SELECT * FROM read_csv([${files.map(literal).join(", ")}], header = true, all_varchar = true, union_by_name = true)
    ), long AS (
      UNPIVOT lines ON COLUMNS(* EXCLUDE ("No", "year", "month", "day", "hour", "station")) INTO NAME metric VALUE cell
    )
    SELECT station AS device, metric,
      epoch_us(make_timestamp("year"::BIGINT, "month"::BIGINT, "day"::BIGINT, "hour"::BIGINT, 0, 0)) AS at_us,
      try_cast(trim(cell) AS DOUBLE) AS number,
      CASE WHEN try_cast(trim(cell) AS DOUBLE) IS NULL THEN trim(cell) END AS text
    FROM long WHERE trim(cell) NOT IN ('', 'NA')`);
  const twice = await number(connection, "SELECT count(*) - count(DISTINCT (device, metric, at_us)) FROM cells");
  if (twice > 0) throw new Error(`the recording holds ${twice} readings twice: which one counts is not defined`);
  await connection.run(`
    CREATE TEMP TABLE expected_windows AS
    WITH days AS (
      SELECT device, metric, at_us // ${DAY_US} * ${DAY_US} AS start_us, count(*) AS count, min(number) AS min,
        max(number) AS max, avg(number) AS avg
      FROM cells WHERE number IS NOT NULL GROUP BY ALL
    )
    SELECT *, start_us + ${DAY_US} AS end_us,
      start_us < max(start_us) OVER (PARTITION BY device, metric) AS must_close
    FROM days`);
  await connection.run("CREATE TEMP TABLE expected_alerts(device VARCHAR, state VARCHAR, at_us BIGINT, value DOUBLE)");
  const appender = await connection.createAppender("expected_alerts");
  for (const { device, state, at, value } of expectedAlerts(await closedHours(connection))) {
    appender.appendVarchar(device);
    appender.appendVarchar(state);
    appender.appendBigInt(BigInt(at));
    appender.appendDouble(value);
    appender.endRow();
  }
  appender.closeSync();
  return connection;
}

async function closedHours(connection: DuckDBConnection): Promise<readonly Hour[]> {
  return rows<Hour>(
    connection,
    `SELECT device, (at_us // ${HOUR_US} + 1) * ${HOUR_US} AS "endUs", avg(number) AS value
     FROM cells WHERE metric = ${literal(HAZARD_METRIC)} AND number IS NOT NULL GROUP BY device, "endUs"
     QUALIFY "endUs" < max("endUs") OVER (PARTITION BY device)
     ORDER BY device, "endUs"`,
  );
}

/**
 * The hazard rule, straight from its definition: `> 250` for 3 h fires, `< 200` ends it. The condition is evaluated
 * once for each closed window, at its end. Pass the hours of one station together and in order.
 */
export function expectedAlerts(hours: readonly Hour[]): ExpectedAlert[] {
  const alerts: ExpectedAlert[] = [];
  let station: string | undefined;
  let pendingSince: number | undefined;
  let firing = false;
  let beforeUs: number | undefined;
  let intervalUs: number | undefined;
  for (const { device, endUs, value } of hours) {
    if (device !== station) {
      station = device;
      pendingSince = undefined;
      firing = false;
      beforeUs = undefined;
      intervalUs = undefined;
    }
    const sinceUs = beforeUs === undefined ? undefined : endUs - beforeUs;
    // After a gap the three hours start again.
    const isGap = sinceUs !== undefined && intervalUs !== undefined && sinceUs > Math.max(3 * intervalUs, 2 * HOUR_US);
    if (isGap && pendingSince !== undefined) pendingSince = endUs;
    if (sinceUs !== undefined) intervalUs = Math.max(sinceUs, ((intervalUs ?? 0) * 7) / 8);
    beforeUs = endUs;
    const tell = (state: ExpectedAlert["state"]): void => {
      alerts.push({ device, state, at: endUs, value });
    };
    if (firing) {
      if (value >= CLEAR_BELOW) continue;
      firing = false;
      tell("resolved");
    } else if (pendingSince === undefined) {
      if (value <= HAZARD_ABOVE) continue;
      pendingSince = endUs;
      tell("pending");
    } else if (value <= HAZARD_ABOVE) {
      pendingSince = undefined;
      tell("inactive");
    } else if (endUs - pendingSince >= HAZARD_FOR_HOURS * HOUR_US) {
      pendingSince = undefined;
      firing = true;
      tell("firing");
    }
  }
  return alerts;
}
