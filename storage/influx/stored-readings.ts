import type { ReadingsExtent, ReadingsPage, ReadingsQuery } from "../../contracts/history.ts";
import { FrameSeries } from "../../domain/frame-writer.ts";
import { type ReadingValue, type Series, seriesKey, type ValueKind } from "../../domain/reading.ts";
import { PageWriter } from "../common/readings-page.ts";
import type { InfluxClient } from "./influx-client.ts";

/** The field of each kind of value, in the order of the columns after the time. */
const FIELDS = ['"value"::field', '"flag"::field', '"text"::field'];
const KINDS: readonly ValueKind[] = ["number", "boolean", "string"];

interface StoredReading {
  readonly atUs: number;
  readonly series: FrameSeries;
  readonly key: string;
  readonly value: ReadingValue;
}

export async function readExtent(client: InfluxClient): Promise<ReadingsExtent | undefined> {
  const any = `SELECT ${FIELDS.join(", ")} FROM "readings" ORDER BY time`;
  const [oldest, newest] = await client.query([`${any} ASC LIMIT 1`, `${any} DESC LIMIT 1`]);
  const [first, last] = [oldest?.[0]?.[0], newest?.[0]?.[0]];
  return typeof first === "number" && typeof last === "number" ? { fromUs: first, toUs: last + 1 } : undefined;
}

/**
 * InfluxDB returns the readings of one instant in any order, which changes between queries. So this reads only whole
 * instants and sorts them. Names are returned as stored (see `storedName`).
 */
export async function readReadings(client: InfluxClient, query: ReadingsQuery): Promise<ReadingsPage> {
  const { fromUs, toUs, skip } = query;
  const tags = await tagNames(client);
  const limit = query.limit + skip + 1;
  let rows = await readRows(client, tags, { fromUs, toUs, limit });
  let rest: { readonly fromUs: number; readonly skip: number } | undefined;
  if (rows.length === limit) {
    const lastUs = Number(rows.at(-1)?.[0]);
    rest = { fromUs: lastUs, skip: 0 };
    rows = rows.filter(([atUs]) => Number(atUs) < lastUs);
    if (rows.length === 0) {
      rest = lastUs + 1 < toUs ? { fromUs: lastUs + 1, skip: 0 } : undefined;
      rows = await readRows(client, tags, { fromUs: lastUs, toUs: lastUs + 1 });
    }
  }
  const page = new PageWriter(query);
  const readings = readingsOf(rows, tags).sort((a, b) => a.atUs - b.atUs || (a.key < b.key ? -1 : 1));
  const skipped = Math.min(skip, readings.filter(({ atUs }) => atUs === fromUs).length);
  for (const { series, atUs, value } of readings.slice(skipped)) if (!page.add(series, atUs, value)) break;
  return page.finish(rest);
}

async function readRows(
  client: InfluxClient,
  tags: readonly string[],
  range: { readonly fromUs: number; readonly toUs: number; readonly limit?: number },
): Promise<readonly (readonly unknown[])[]> {
  const columns = [...FIELDS, ...tags.map((name) => `${quotedName(name)}::tag`)];
  const where = `WHERE time >= ${range.fromUs}u AND time < ${range.toUs}u`;
  const limit = range.limit === undefined ? "" : ` LIMIT ${range.limit}`;
  const [rows = []] = await client.query([`SELECT ${columns.join(", ")} FROM "readings" ${where}${limit}`]);
  return rows;
}

async function tagNames(client: InfluxClient): Promise<readonly string[]> {
  const [rows = []] = await client.query(['SHOW TAG KEYS FROM "readings"']);
  return rows.map(([name]) => String(name));
}

/** One reading for each point, although readings of several kinds at one instant leave several fields. */
function readingsOf(rows: readonly (readonly unknown[])[], tags: readonly string[]): StoredReading[] {
  const known = new Map<string, { readonly series: FrameSeries; readonly key: string }>();
  const readings: StoredReading[] = [];
  for (const row of rows) {
    const labels = row.slice(1 + KINDS.length);
    const name = JSON.stringify(labels);
    for (const [i, kind] of KINDS.entries()) {
      const value = row[1 + i];
      if (typeof value !== kind) continue;
      let found = known.get(`${kind}${name}`);
      if (found === undefined) {
        const series = seriesOf(kind, labels, tags);
        found = { series: new FrameSeries(series), key: seriesKey(series) };
        known.set(`${kind}${name}`, found);
      }
      readings.push({ ...found, atUs: Number(row[0]), value: value as ReadingValue });
      break;
    }
  }
  return readings;
}

function seriesOf(kind: ValueKind, labels: readonly unknown[], names: readonly string[]): Series {
  const all: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    const label = labels[i];
    if (typeof label === "string" && label !== "") all[name] = label;
  }
  const { device = "", metric = "", ...tags } = all;
  return { device, metric, kind, tags };
}

/** An identifier of InfluxQL. */
function quotedName(name: string): string {
  return `"${name.replace(/["\\]/g, "\\$&")}"`;
}
