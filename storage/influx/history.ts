import type { AlertsQuery, SeriesAnswer, SeriesQuery } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { bucketWidthUs } from "../common/buckets.ts";
import type { InfluxClient } from "./influx-client.ts";
import { storedName } from "./line-protocol.ts";

interface Bucket {
  min: number;
  max: number;
  sum: number;
  count: number;
}

/** Buckets of one sensor's numbers and booleans (as 0 and 1), in one request of three statements. */
export async function readSeries(client: InfluxClient, query: SeriesQuery): Promise<SeriesAnswer> {
  const { fromUs, toUs } = query;
  const widthUs = bucketWidthUs(query);
  const offsetUs = ((fromUs % widthUs) + widthUs) % widthUs;
  const where = `WHERE device = ${quoted(query.device)} AND metric = ${quoted(query.metric)} AND time >= ${fromUs}u AND time < ${toUs}u`;
  const group = `GROUP BY time(${widthUs}u, ${offsetUs}u) fill(none)`;
  const [numbers = [], on = [], off = []] = await client.query([
    `SELECT min("value"), max("value"), sum("value"), count("value") FROM "readings" ${where} ${group}`,
    `SELECT count("flag") FROM "readings" ${where} AND "flag" = true ${group}`,
    `SELECT count("flag") FROM "readings" ${where} AND "flag" = false ${group}`,
  ]);
  const buckets = new Map<number, Bucket>();
  for (const [atUs, min, max, sum, count] of numbers) {
    add(buckets, Number(atUs), { min: Number(min), max: Number(max), sum: Number(sum), count: Number(count) });
  }
  for (const [atUs, count] of on) {
    add(buckets, Number(atUs), { min: 1, max: 1, sum: Number(count), count: Number(count) });
  }
  for (const [atUs, count] of off) {
    add(buckets, Number(atUs), { min: 0, max: 0, sum: 0, count: Number(count) });
  }
  const rows = [...buckets].filter(([, { count }]) => count > 0).sort(([a], [b]) => a - b);
  return {
    atUs: rows.map(([atUs]) => atUs),
    min: rows.map(([, { min }]) => min),
    max: rows.map(([, { max }]) => max),
    avg: rows.map(([, { sum, count }]) => sum / count),
    count: rows.map(([, { count }]) => count),
  };
}

export async function readAlerts(client: InfluxClient, query: AlertsQuery): Promise<AlertChange[]> {
  const { fromUs, toUs, limit } = query;
  const [rows = []] = await client.query([
    `SELECT "change" FROM "alerts" WHERE time >= ${fromUs}u AND time < ${toUs}u ORDER BY time DESC LIMIT ${limit}`,
  ]);
  return rows.map(([, change]) => JSON.parse(String(change)) as AlertChange);
}

function add(buckets: Map<number, Bucket>, atUs: number, part: Bucket): void {
  if (part.count === 0) return;
  const bucket = buckets.get(atUs);
  if (bucket === undefined) {
    buckets.set(atUs, part);
    return;
  }
  bucket.min = Math.min(bucket.min, part.min);
  bucket.max = Math.max(bucket.max, part.max);
  bucket.sum += part.sum;
  bucket.count += part.count;
}

/** A text literal of InfluxQL. */
function quoted(name: string): string {
  return `'${storedName(name).replace(/['\\]/g, "\\$&")}'`;
}
