import type { DuckDBConnection } from "@duckdb/node-api";

const VERSION = 4;

const WINDOWS_VIEW = `CREATE VIEW windows AS
  SELECT s.rule, s.labels, s.aggregate, r.start_time, r.end_time, r.revision, r.value, r.text
  FROM window_rows r JOIN window_series s ON s.id = r.series`;

/** A sensor is a device, a metric and all its tags. */
const SENSORS_TABLE = `CREATE TABLE sensors(id UINTEGER NOT NULL,
  device VARCHAR NOT NULL, metric VARCHAR NOT NULL, tags VARCHAR NOT NULL)`;

/** A sensor has a series for each kind of its values. */
const SERIES_TABLE = `CREATE TABLE series(id UINTEGER NOT NULL, sensor UINTEGER NOT NULL,
  device VARCHAR NOT NULL, metric VARCHAR NOT NULL, kind VARCHAR NOT NULL, tags VARCHAR NOT NULL)`;

const READINGS_VIEW = `CREATE VIEW readings AS
  SELECT s.device, s.metric, s.kind, s.tags, r.time, r.value, r.text
  FROM reading_rows r JOIN series s ON s.id = r.series`;

/** Acknowledgements and deliveries; `event` is JSON. */
const INCIDENT_EVENTS_TABLE = `CREATE TABLE incident_events(id VARCHAR NOT NULL, incident VARCHAR NOT NULL,
  time TIMESTAMP NOT NULL, kind VARCHAR NOT NULL, event VARCHAR NOT NULL)`;

/**
 * Rows hold only numbers, and dictionaries hold the names, so a reading takes about five bytes. People query the views.
 * There is no index: a row's time shows whether it is new (see `readings-writer.ts`), and an index on every reading would
 * cost more memory than everything else.
 */
const TABLES = [
  "CREATE TABLE positions(stream VARCHAR NOT NULL, sequence BIGINT NOT NULL, stored_at BIGINT NOT NULL)",
  "INSERT INTO positions VALUES ('READINGS', 0, 0), ('WINDOWS', 0, 0), ('ALERTS', 0, 0), ('NOTIFICATIONS', 0, 0)",
  SENSORS_TABLE,
  SERIES_TABLE,
  "CREATE TABLE reading_rows(series UINTEGER NOT NULL, time TIMESTAMP NOT NULL, value DOUBLE, text VARCHAR)",
  `CREATE TABLE window_series(id UINTEGER NOT NULL,
    rule VARCHAR NOT NULL, labels VARCHAR NOT NULL, aggregate VARCHAR NOT NULL)`,
  // Neither value nor text: the aggregate has no value for this window.
  `CREATE TABLE window_rows(series UINTEGER NOT NULL, start_time TIMESTAMP NOT NULL,
    end_time TIMESTAMP NOT NULL, revision UINTEGER NOT NULL, value DOUBLE, text VARCHAR)`,
  // A text value is only in `change`, which is JSON.
  `CREATE TABLE alerts(id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, rule VARCHAR NOT NULL,
    state VARCHAR NOT NULL, severity VARCHAR NOT NULL, incident VARCHAR NOT NULL, value DOUBLE,
    key VARCHAR NOT NULL, change VARCHAR NOT NULL)`,
  INCIDENT_EVENTS_TABLE,
  // Written at a clean stop, and empty while the file is in use. It saves the next start from reading every row.
  "CREATE TABLE newest_saved(of VARCHAR NOT NULL, id UINTEGER NOT NULL, us DOUBLE NOT NULL)",
  READINGS_VIEW,
  WINDOWS_VIEW,
];

/** The statements that migrate a file to the next version, by the version that they start from. */
const MIGRATIONS: ReadonlyMap<number, readonly string[]> = new Map([
  [
    1,
    [
      // Version 1 included a window's end in its identity. Of the windows with one start, the newest result is kept.
      // The rows go to a new table, because one transaction cannot alter a table and change its rows.
      "DROP VIEW windows",
      "ALTER TABLE window_rows RENAME TO window_rows_1",
      `CREATE TABLE window_rows(series UINTEGER NOT NULL, start_time TIMESTAMP NOT NULL,
        end_time TIMESTAMP NOT NULL, revision UINTEGER NOT NULL, value DOUBLE, text VARCHAR)`,
      `INSERT INTO window_rows
        SELECT series, start_time, end_time, revision, if(isnan(value), NULL, value), NULL FROM window_rows_1
        QUALIFY row_number() OVER (PARTITION BY series, start_time ORDER BY revision DESC, end_time DESC) = 1`,
      "DROP TABLE window_rows_1",
      WINDOWS_VIEW,
      // It held the ends of windows.
      "DELETE FROM newest_saved",
    ],
  ],
  [
    2,
    [
      // Version 2 left the tags out of a sensor's identity. The ids of series stay, so the rows do too.
      "DROP TABLE sensors",
      SENSORS_TABLE,
      `INSERT INTO sensors
        SELECT row_number() OVER (ORDER BY min(id)) - 1, device, metric, tags FROM series GROUP BY device, metric, tags`,
      "DROP VIEW readings",
      "ALTER TABLE series RENAME TO series_2",
      SERIES_TABLE,
      `INSERT INTO series
        SELECT o.id, s.id, o.device, o.metric, o.kind, o.tags FROM series_2 o JOIN sensors s USING (device, metric, tags)`,
      "DROP TABLE series_2",
      READINGS_VIEW,
      // It held the newest times by the old sensors.
      "DELETE FROM newest_saved",
    ],
  ],
  // Version 3 had no events of incidents. They are read from the beginning of the log.
  [3, [INCIDENT_EVENTS_TABLE, "INSERT INTO positions VALUES ('NOTIFICATIONS', 0, 0)"]],
]);

/** Creates the tables, or migrates those of an older version. Throws when a newer program wrote the file. */
export async function prepareSchema(
  connection: DuckDBConnection,
  onMigration: (from: number, to: number) => void,
): Promise<void> {
  await connection.run("BEGIN");
  await connection.run("CREATE TABLE IF NOT EXISTS weir_schema(version INTEGER NOT NULL)");
  const [row] = (await connection.runAndReadAll("SELECT max(version) FROM weir_schema")).getRows();
  const version = row?.[0] ?? undefined;
  const statements = statementsFrom(version);
  if (version !== undefined && statements.length > 0) onMigration(Number(version), VERSION);
  for (const statement of statements) await connection.run(statement);
  await connection.run("DELETE FROM weir_schema");
  await connection.run(`INSERT INTO weir_schema VALUES (${VERSION})`);
  await connection.run("COMMIT");
}

function statementsFrom(version: unknown): readonly string[] {
  if (version === undefined) return TABLES;
  const statements: string[] = [];
  for (let from = Number(version); from !== VERSION; from++) {
    const next = MIGRATIONS.get(from);
    if (next === undefined) {
      throw new Error(
        `the database file has schema version ${version}, this program knows 1 to ${VERSION}; ` +
          "start the program that wrote it, or set another `file` under storage.stores",
      );
    }
    statements.push(...next);
  }
  return statements;
}
