import { createWriteStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { DAILY_RULE, HAZARD_RULE } from "./rules.ts";
import { literal } from "./sql.ts";

export interface InfluxAccess {
  readonly url: string;
  readonly token: string;
  readonly org: string;
  readonly bucket: string;
}

/** One field of a measurement, as a table of texts with `_time`, `_value` and tags. */
interface FieldQuery {
  readonly table: string;
  readonly measurement: string;
  readonly field: string;
  readonly rule?: string;
  readonly tags: readonly string[];
}

const AGGREGATES = ["count", "min", "max", "avg", "revision", "window_end"] as const;

/** Loads the contents of InfluxDB, with Flux over HTTP, into `actual_readings`, `actual_windows` and `actual_alerts`. */
export async function loadInflux(connection: DuckDBConnection, influx: InfluxAccess): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-verify-influx-"));
  try {
    const load = (query: FieldQuery): Promise<void> => loadField({ connection, influx, folder }, query);
    const tags = ["device", "metric"];
    await load({ table: "influx_numbers", measurement: "readings", field: "value", tags });
    await load({ table: "influx_texts", measurement: "readings", field: "text", tags });
    await connection.run(`
      CREATE TEMP TABLE actual_readings AS
      SELECT device, metric, at_us, value::DOUBLE AS number, NULL AS text FROM influx_numbers
      UNION ALL SELECT device, metric, at_us, NULL, value FROM influx_texts`);
    for (const field of AGGREGATES) {
      await load({ table: `influx_${field}`, measurement: "windows", field, rule: DAILY_RULE, tags });
    }
    const others = AGGREGATES.slice(1).map((name) => `LEFT JOIN influx_${name} USING (device, metric, at_us)`);
    await connection.run(`
      CREATE TEMP TABLE actual_windows AS
      SELECT device, metric, at_us AS start_us, influx_window_end.value::BIGINT AS end_us,
        ${AGGREGATES.slice(0, 5).map((name) => `influx_${name}.value::DOUBLE AS ${name}`)}
      FROM influx_count ${others.join(" ")}`);
    await load({
      table: "influx_alerts",
      measurement: "alerts",
      field: "value",
      rule: HAZARD_RULE,
      tags: ["device", "state"],
    });
    await connection.run(`
      CREATE TEMP TABLE actual_alerts AS SELECT device, state, at_us, value::DOUBLE AS value FROM influx_alerts`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function loadField(
  to: { readonly connection: DuckDBConnection; readonly influx: InfluxAccess; readonly folder: string },
  { table, measurement, field, rule, tags }: FieldQuery,
): Promise<void> {
  const { url, token, org, bucket } = to.influx;
  const columns = ["_time", "_value", ...tags];
  const query = `from(bucket: ${JSON.stringify(bucket)})
    |> range(start: 1900-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
    |> filter(fn: (r) => r._measurement == "${measurement}" and r._field == "${field}")
    ${rule === undefined ? "" : `|> filter(fn: (r) => r.rule == "${rule}")`}
    |> keep(columns: ${JSON.stringify(columns)})`;
  const answer = await fetch(`${url}/api/v2/query?org=${encodeURIComponent(org)}`, {
    method: "POST",
    headers: { authorization: `Token ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query, type: "flux", dialect: { header: true, annotations: [] } }),
  });
  if (!answer.ok || answer.body === null) throw new Error(`Flux answered ${answer.status}: ${await answer.text()}`);
  const file = join(to.folder, `${table}.csv`);
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
  const names = await headerOf(file);
  if (names.length === 0) {
    // An empty result does not even have a header.
    const texts = ["value", ...tags].map((name) => `${name} VARCHAR`).join(", ");
    await to.connection.run(`CREATE TEMP TABLE ${table}(at_us BIGINT, ${texts})`);
    return;
  }
  const types = names.map((name) => `${literal(name)}: 'VARCHAR'`).join(", ");
  // Alert times have three digits more than microseconds.
  const time = "regexp_replace(_time, '([.][0-9]{6})[0-9]*Z$', '\\1Z')::TIMESTAMP";
  // Empty lines and further headers may separate the tables.
  await to.connection.run(`
    CREATE TEMP TABLE ${table} AS
    SELECT epoch_us(${time}) AS at_us, _value AS value, ${tags.join(", ")}
    FROM read_csv(${literal(file)}, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"',
      null_padding = true, columns = {${types}})
    WHERE _time IS NOT NULL AND _time <> '_time'`);
}

async function headerOf(file: string): Promise<readonly string[]> {
  const opened = await open(file);
  try {
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(4096), 0, 4096, 0);
    const [line = ""] = buffer.toString("utf8", 0, bytesRead).split("\r\n");
    return line === "" ? [] : line.split(",").map((name, i) => name || `unnamed_${i}`);
  } finally {
    await opened.close();
  }
}
