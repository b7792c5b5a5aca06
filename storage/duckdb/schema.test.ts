import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { WindowResult } from "../../domain/window-result.ts";
import { at } from "../testing/batches.ts";
import { storeDeps, temporaryFolder, testDeps } from "../testing/testing.ts";
import { duckdbSchema } from "./config.ts";
import { openDuckdbStore } from "./duckdb-store.ts";

const T0 = 1_763_769_600_000_000;

/** The tables of the first version. */
const VERSION_1 = [
  "CREATE TABLE weir_schema(version INTEGER NOT NULL)",
  "CREATE TABLE positions(stream VARCHAR NOT NULL, sequence BIGINT NOT NULL, stored_at BIGINT NOT NULL)",
  "CREATE TABLE sensors(id UINTEGER NOT NULL, device VARCHAR NOT NULL, metric VARCHAR NOT NULL)",
  `CREATE TABLE series(id UINTEGER NOT NULL, sensor UINTEGER NOT NULL,
    device VARCHAR NOT NULL, metric VARCHAR NOT NULL, kind VARCHAR NOT NULL, tags VARCHAR NOT NULL)`,
  "CREATE TABLE reading_rows(series UINTEGER NOT NULL, time TIMESTAMP NOT NULL, value DOUBLE, text VARCHAR)",
  `CREATE TABLE window_series(id UINTEGER NOT NULL,
    rule VARCHAR NOT NULL, labels VARCHAR NOT NULL, aggregate VARCHAR NOT NULL)`,
  `CREATE TABLE window_rows(series UINTEGER NOT NULL, start_time TIMESTAMP NOT NULL,
    end_time TIMESTAMP NOT NULL, revision UINTEGER NOT NULL, value DOUBLE)`,
  `CREATE TABLE alerts(id VARCHAR NOT NULL, time TIMESTAMP NOT NULL, rule VARCHAR NOT NULL,
    state VARCHAR NOT NULL, severity VARCHAR NOT NULL, incident VARCHAR NOT NULL, value DOUBLE,
    key VARCHAR NOT NULL, change VARCHAR NOT NULL)`,
  "CREATE TABLE newest_saved(of VARCHAR NOT NULL, id UINTEGER NOT NULL, us DOUBLE NOT NULL)",
  `CREATE VIEW readings AS
    SELECT s.device, s.metric, s.kind, s.tags, r.time, r.value, r.text
    FROM reading_rows r JOIN series s ON s.id = r.series`,
  `CREATE VIEW windows AS
    SELECT s.rule, s.labels, s.aggregate, r.start_time, r.end_time, r.revision, r.value
    FROM window_rows r JOIN window_series s ON s.id = r.series`,
  "INSERT INTO weir_schema VALUES (1)",
  "INSERT INTO positions VALUES ('READINGS', 7, 70), ('WINDOWS', 3, 30), ('ALERTS', 0, 0)",
];

/** Windows of 10 s up to the end of the minute: one corrected to a different end, one without value. */
const CONTENT_1 = [
  "INSERT INTO sensors VALUES (0, 'd1', 't')",
  "INSERT INTO series VALUES (0, 0, 'd1', 't', 'number', '{}')",
  `INSERT INTO reading_rows VALUES (0, make_timestamp(${T0}), 1, NULL)`,
  `INSERT INTO window_series VALUES (0, 'r', '{"device":"d1"}', 'avg')`,
  `INSERT INTO window_rows
    SELECT 0, make_timestamp(${T0} + n * 10_000_000), make_timestamp(${T0} + (n + 1) * 10_000_000), 0, n
    FROM range(6) r(n)`,
  `INSERT INTO window_rows VALUES
    (0, make_timestamp(${T0}), make_timestamp(${T0} + 15_000_000), 1, 0.5),
    (0, make_timestamp(${T0} + 60_000_000), make_timestamp(${T0} + 70_000_000), 0, 'NaN')`,
  `INSERT INTO newest_saved VALUES ('clean', 0, 0), ('readings', 0, ${T0}), ('windows', 0, ${T0} + 70_000_000)`,
];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.path, "history.duckdb");
});
afterEach(() => folder.remove());

async function run(statements: readonly string[]): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  let rows: unknown[][] = [];
  for (const statement of statements) rows = (await connection.runAndReadAll(statement)).getRowsJS();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

function open(deps = testDeps()) {
  return openDuckdbStore({ ...storeDeps(deps), config: duckdbSchema.parse({ file }) });
}

const WINDOWS = `SELECT (epoch_us(start_time) - ${T0}) // 1_000_000, (epoch_us(end_time) - ${T0}) // 1_000_000,
  revision, value, text FROM windows ORDER BY ALL`;

it("migrates a file of the first version, and continues with it", async () => {
  await run([...VERSION_1, ...CONTENT_1]);
  const deps = testDeps();
  const store = await open(deps);
  expect(deps.lines.map(({ msg }) => msg)).toEqual([expect.stringMatching(/older schema/)]);
  expect(await store.position("WINDOWS")).toEqual({ sequence: 3, storedAtUs: 30 });
  const window = (startS: number, endS: number, more: Partial<WindowResult>): WindowResult => ({
    rule: "r",
    labels: { device: "d1" },
    startUs: T0 + startS * 1_000_000,
    endUs: T0 + endS * 1_000_000,
    revision: 0,
    aggregates: { avg: startS },
    ...more,
  });
  const windows = [
    window(10, 25, { revision: 1 }),
    window(20, 20, { revision: 1, aggregates: {} }),
    window(60, 70, { revision: 1 }),
    window(65, 75, { aggregates: { avg: "open" } }),
  ];
  await store.write({ stream: "WINDOWS", position: at(4), windows });
  await store.close();
  const kept = (await run([WINDOWS])).map((row) => row.map((cell) => (typeof cell === "bigint" ? Number(cell) : cell)));
  expect(kept).toEqual([
    [0, 15, 1, 0.5, null],
    [10, 25, 1, 10, null],
    [30, 40, 0, 3, null],
    [40, 50, 0, 4, null],
    [50, 60, 0, 5, null],
    [60, 70, 1, 60, null],
    [65, 75, 0, null, "open"],
  ]);
  expect(await run(["SELECT version FROM weir_schema"])).toEqual([[4]]);
  expect(await run(["SELECT count(*)::INT FROM readings"])).toEqual([[1]]);
});

it("shows numbers, texts and missing values after the migration just like a new file", async () => {
  await run([...VERSION_1, ...CONTENT_1]);
  await (await open()).close();
  const columns = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns ORDER BY ALL";
  const changed = await run([columns]);
  expect((await run([WINDOWS])).at(-1)?.slice(3)).toEqual([null, null]);
  await folder.remove();
  await (await open()).close();
  expect(changed).toEqual(await run([columns]));
});

it("leaves a file of a newer version alone, and explains what to do", async () => {
  await run(["CREATE TABLE weir_schema(version INTEGER NOT NULL)", "INSERT INTO weir_schema VALUES (5)"]);
  await expect(open()).rejects.toThrow(
    "the database file has schema version 5, this program knows 1 to 4; start the program that wrote it",
  );
  expect(await run(["SELECT table_name FROM information_schema.tables"])).toEqual([["weir_schema"]]);
});
