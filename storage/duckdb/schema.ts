import type { DuckDBConnection } from "@duckdb/node-api";

const VERSION = 1;

/**
 * Rows hold numbers only, and dictionaries the names, so a reading costs about five bytes. The views are what people
 * query. No index: rows are known to be new by their time (see `readings-writer.ts`), and an index on every reading
 * would cost more memory than all else.
 */
const TABLES = [
  "CREATE TABLE IF NOT EXISTS weir_schema(version INTEGER NOT NULL)",
  "CREATE TABLE IF NOT EXISTS positions(stream VARCHAR NOT NULL, sequence BIGINT NOT NULL, stored_at BIGINT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS sensors(id UINTEGER NOT NULL, device VARCHAR NOT NULL, metric VARCHAR NOT NULL)",
  `CREATE TABLE IF NOT EXISTS series(id UINTEGER NOT NULL, sensor UINTEGER NOT NULL,
    device VARCHAR NOT NULL, metric VARCHAR NOT NULL, kind VARCHAR NOT NULL, tags VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS reading_rows(series UINTEGER NOT NULL, time TIMESTAMP NOT NULL,
    value DOUBLE, text VARCHAR)`,
  `CREATE TABLE IF NOT EXISTS window_series(id UINTEGER NOT NULL,
    rule VARCHAR NOT NULL, labels VARCHAR NOT NULL, aggregate VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS window_rows(series UINTEGER NOT NULL, start_time TIMESTAMP NOT NULL,
    end_time TIMESTAMP NOT NULL, revision UINTEGER NOT NULL, value DOUBLE)`,
  `CREATE TABLE IF NOT EXISTS alerts(id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, rule VARCHAR NOT NULL,
    state VARCHAR NOT NULL, severity VARCHAR NOT NULL, incident VARCHAR NOT NULL, value DOUBLE,
    key VARCHAR NOT NULL, change VARCHAR NOT NULL)`,
  // Written at a clean end, and gone while the file is in use: spares the next start a look at every row.
  "CREATE TABLE IF NOT EXISTS newest_saved(of VARCHAR NOT NULL, id UINTEGER NOT NULL, us DOUBLE NOT NULL)",
  `CREATE VIEW IF NOT EXISTS readings AS
    SELECT s.device, s.metric, s.kind, s.tags, r.time, r.value, r.text
    FROM reading_rows r JOIN series s ON s.id = r.series`,
  `CREATE VIEW IF NOT EXISTS windows AS
    SELECT s.rule, s.labels, s.aggregate, r.start_time, r.end_time, r.revision, r.value
    FROM window_rows r JOIN window_series s ON s.id = r.series`,
];

/** Creates what is missing. Throws when a newer version of the program wrote the file. */
export async function prepareSchema(connection: DuckDBConnection): Promise<void> {
  await connection.run("BEGIN");
  for (const statement of TABLES) await connection.run(statement);
  const [row] = (await connection.runAndReadAll("SELECT max(version) FROM weir_schema")).getRows();
  const version = row?.[0];
  if (version === null || version === undefined) {
    await connection.run(`INSERT INTO weir_schema VALUES (${VERSION})`);
    await connection.run("INSERT INTO positions VALUES ('READINGS', 0, 0), ('WINDOWS', 0, 0), ('ALERTS', 0, 0)");
  }
  await connection.run("COMMIT");
  if (typeof version === "number" && version > VERSION) {
    throw new Error(`the database file has schema version ${version}; this program knows ${VERSION}`);
  }
}
