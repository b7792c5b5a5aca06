import type { DuckDBConnection } from "@duckdb/node-api";
import type { ReadingsExtent, ReadingsPage, ReadingsQuery } from "../../contracts/history.ts";
import { FrameSeries } from "../../domain/frame-writer.ts";
import type { ReadingValue, Tags, ValueKind } from "../../domain/reading.ts";
import { PageWriter } from "../common/readings-page.ts";
import { timestamp } from "./row-chunk.ts";

const EXTENT = "SELECT epoch_us(min(time))::DOUBLE, epoch_us(max(time))::DOUBLE FROM reading_rows";

/**
 * Reads one more than requested, to see whether more exist. A series has one reading per instant, so this order is
 * total.
 */
const PAGE = `
  SELECT series::INTEGER, epoch_us(time)::DOUBLE, value, text FROM reading_rows
  WHERE time >= $1 AND time < $2 ORDER BY time, series LIMIT $3 + 1 OFFSET $4`;

const KINDS: readonly ValueKind[] = ["number", "boolean", "string"];

export async function readExtent(connection: DuckDBConnection): Promise<ReadingsExtent | undefined> {
  const [row] = (await connection.runAndReadAll(EXTENT)).getRows();
  const [first, last] = row ?? [];
  return typeof first === "number" && typeof last === "number" ? { fromUs: first, toUs: last + 1 } : undefined;
}

export async function readReadings(connection: DuckDBConnection, query: ReadingsQuery): Promise<ReadingsPage> {
  const { fromUs, toUs, limit, skip } = query;
  const values = [timestamp(fromUs), timestamp(toUs), BigInt(limit), BigInt(skip)];
  const [ids = [], times = [], numbers = [], texts = []] = (await connection.runAndReadAll(PAGE, values)).getColumns();
  const series = await seriesOf(connection, new Set(ids.map(Number)));
  const page = new PageWriter(query);
  for (const [i, id] of ids.entries()) {
    const known = series.get(Number(id));
    if (known === undefined)
      throw new Error(`the database file has readings of a series ${id}, which it does not name`);
    if (!page.add(known, Number(times[i]), readingValue(known, numbers[i], texts[i]))) break;
  }
  return page.finish();
}

async function seriesOf(
  connection: DuckDBConnection,
  ids: ReadonlySet<number>,
): Promise<ReadonlyMap<number, FrameSeries>> {
  const series = new Map<number, FrameSeries>();
  if (ids.size === 0) return series;
  const sql = `SELECT id::INTEGER, device, metric, kind, tags FROM series WHERE id IN (${[...ids].join(", ")})`;
  for (const [id, device, metric, kind, tags] of (await connection.runAndReadAll(sql)).getRows()) {
    const known = KINDS.find((name) => name === kind);
    if (known === undefined) continue;
    const named = {
      device: String(device),
      metric: String(metric),
      kind: known,
      tags: JSON.parse(String(tags)) as Tags,
    };
    series.set(Number(id), new FrameSeries(named));
  }
  return series;
}

function readingValue({ series }: FrameSeries, value: unknown, text: unknown): ReadingValue {
  if (series.kind === "string") return String(text);
  return series.kind === "boolean" ? Number(value) === 1 : Number(value);
}
