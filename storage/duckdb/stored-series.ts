import type { DuckDBConnection } from "@duckdb/node-api";
import {
  type Ambiguous,
  CANDIDATES_MAX,
  type SeriesFound,
  type SeriesQuery,
  type StateRun,
  type StatesFound,
  type StatesQuery,
} from "../../contracts/history.ts";
import type { ReadingValue, Tags, ValueKind } from "../../domain/reading.ts";
import { bucketWidthUs } from "../common/buckets.ts";
import { statesOf } from "../common/states.ts";
import { textOfTags } from "../common/tags-text.ts";
import { timestamp } from "./row-chunk.ts";

/** A series has an id for each kind of its values. */
interface Found {
  readonly kind: "found";
  readonly tags: Tags;
  readonly kinds: ReadonlyMap<number, ValueKind>;
}

const SERIES = "SELECT tags, id::INTEGER, kind FROM series WHERE device = $1 AND metric = $2 ORDER BY tags, id";

async function findSeries(
  connection: DuckDBConnection,
  query: Pick<SeriesQuery, "device" | "metric" | "tags">,
): Promise<Found | Ambiguous> {
  const byTags = new Map<string, Map<number, ValueKind>>();
  for (const [tags, id, kind] of (await connection.runAndReadAll(SERIES, [query.device, query.metric])).getRows()) {
    const text = String(tags);
    const kinds = byTags.get(text) ?? new Map<number, ValueKind>();
    kinds.set(Number(id), String(kind) as ValueKind);
    byTags.set(text, kinds);
  }
  const [only] = byTags.keys();
  if (query.tags === undefined && byTags.size > 1) {
    const candidates = [...byTags.keys()].slice(0, CANDIDATES_MAX).map((text) => JSON.parse(text) as Tags);
    return { kind: "ambiguous", candidates, complete: candidates.length === byTags.size };
  }
  const text = query.tags === undefined ? only : textOfTags(query.tags);
  const tags = query.tags ?? (only === undefined ? {} : (JSON.parse(only) as Tags));
  return { kind: "found", tags, kinds: byTags.get(text ?? "") ?? new Map() };
}

/** Buckets of one series' numbers and booleans (as 0 and 1). */
export async function readSeries(connection: DuckDBConnection, query: SeriesQuery): Promise<SeriesFound> {
  const found = await findSeries(connection, query);
  if (found.kind === "ambiguous") return found;
  const { tags, kinds } = found;
  const widthUs = bucketWidthUs(query);
  const { fromUs, toUs } = query;
  const sql = `
    SELECT ((epoch_us(time) - $1) // $2)::DOUBLE, min(value), max(value), avg(value), count(value)::DOUBLE
    FROM reading_rows
    WHERE series IN (${idsOf(kinds)}) AND time >= $3 AND time < $4 AND isfinite(value)
    GROUP BY 1 ORDER BY 1`;
  const values = [BigInt(fromUs), BigInt(widthUs), timestamp(fromUs), timestamp(toUs)];
  const columns = kinds.size === 0 ? [] : (await connection.runAndReadAll(sql, values)).getColumns();
  const [buckets = [], min = [], max = [], avg = [], count = []] = columns;
  return {
    kind: "found",
    tags,
    buckets: {
      atUs: buckets.map((bucket) => fromUs + Number(bucket) * widthUs),
      min: min.map(Number),
      max: max.map(Number),
      avg: avg.map(Number),
      count: count.map(Number),
    },
  };
}

export async function readStates(connection: DuckDBConnection, query: StatesQuery): Promise<StatesFound> {
  const found = await findSeries(connection, query);
  if (found.kind === "ambiguous") return found;
  const { tags, kinds } = found;
  if (kinds.size === 0) return { kind: "found", tags, runs: [], complete: true, before: null };
  const { fromUs, toUs, limit } = query;
  const readings = `
    SELECT time, series, value, text FROM reading_rows
    WHERE series IN (${idsOf(kinds)}) AND (value IS NULL OR isfinite(value))`;
  const runs = `
    WITH readings AS (${readings} AND time >= $1 AND time < $2),
      starts AS (
        SELECT *, (series, value, text) IS DISTINCT FROM lag((series, value, text)) OVER (ORDER BY time) AS starts
        FROM readings),
      runs AS (SELECT *, sum(starts::INTEGER) OVER (ORDER BY time) AS run FROM starts)
    SELECT epoch_us(min(time))::DOUBLE, epoch_us(max(time))::DOUBLE, any_value(series)::INTEGER, any_value(value),
      any_value(text)
    FROM runs GROUP BY run ORDER BY run DESC LIMIT $3`;
  const before = `
    SELECT epoch_us(time)::DOUBLE, epoch_us(time)::DOUBLE, series::INTEGER, value, text
    FROM (${readings} AND time < $1) ORDER BY time DESC LIMIT 1`;
  const states = (rows: readonly (readonly unknown[])[]): StateRun[] =>
    rows.map(([first, last, id, value, text]) => ({
      fromUs: Number(first),
      lastUs: Number(last),
      value: stateValue(kinds.get(Number(id)), value, text),
    }));
  const rows = await connection.runAndReadAll(runs, [timestamp(fromUs), timestamp(toUs), BigInt(limit + 1)]);
  const [earlier] = states((await connection.runAndReadAll(before, [timestamp(fromUs)])).getRows());
  return { kind: "found", tags, ...statesOf(states(rows.getRows()), { limit, before: earlier }) };
}

function idsOf(kinds: ReadonlyMap<number, ValueKind>): string {
  return [...kinds.keys()].join(", ");
}

function stateValue(kind: ValueKind | undefined, value: unknown, text: unknown): ReadingValue {
  if (kind === "string") return String(text);
  return kind === "boolean" ? Number(value) === 1 : Number(value);
}
