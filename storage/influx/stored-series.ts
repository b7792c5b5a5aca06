import {
  type Ambiguous,
  CANDIDATES_MAX,
  type SeriesFound,
  type SeriesQuery,
  type StateRun,
  type StatesFound,
  type StatesQuery,
} from "../../contracts/history.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import { bucketWidthUs } from "../common/buckets.ts";
import { statesOf } from "../common/states.ts";
import { textOfTags } from "../common/tags-text.ts";
import type { Group, InfluxClient } from "./influx-client.ts";
import { literal, storedName, storedTags } from "./line-protocol.ts";

/** Points in one request for states. */
const CHUNK_POINTS = 10_000;
const VALUES = '"value", "flag", "text"';

interface Bucket {
  min: number;
  max: number;
  sum: number;
  count: number;
}

type Which = Pick<SeriesQuery, "device" | "metric" | "tags">;

/** Selects the groups of a `GROUP BY *` that belong to the series. */
interface Found {
  readonly kind: "found";
  readonly tags: Tags;
  pick(groups: readonly Group[]): Group["rows"];
}

/** Buckets of one series' numbers and booleans (as 0 and 1), in one request of three statements. */
export async function readSeries(client: InfluxClient, query: SeriesQuery): Promise<SeriesFound> {
  const found = await findSeries(client, query);
  if (found.kind === "ambiguous") return found;
  const { fromUs, toUs } = query;
  const widthUs = bucketWidthUs(query);
  const offsetUs = ((fromUs % widthUs) + widthUs) % widthUs;
  const where = `${whereOf(query)} AND time >= ${fromUs}u AND time < ${toUs}u`;
  const group = `GROUP BY time(${widthUs}u, ${offsetUs}u), * fill(none)`;
  const [numbers = [], on = [], off = []] = await client.queryGroups([
    `SELECT min("value"), max("value"), sum("value"), count("value") FROM "readings" ${where} ${group}`,
    `SELECT count("flag") FROM "readings" ${where} AND "flag" = true ${group}`,
    `SELECT count("flag") FROM "readings" ${where} AND "flag" = false ${group}`,
  ]);
  const buckets = new Map<number, Bucket>();
  for (const [atUs, min, max, sum, count] of found.pick(numbers)) {
    add(buckets, Number(atUs), { min: Number(min), max: Number(max), sum: Number(sum), count: Number(count) });
  }
  for (const [atUs, count] of found.pick(on)) {
    add(buckets, Number(atUs), { min: 1, max: 1, sum: Number(count), count: Number(count) });
  }
  for (const [atUs, count] of found.pick(off)) {
    add(buckets, Number(atUs), { min: 0, max: 0, sum: 0, count: Number(count) });
  }
  const rows = [...buckets].filter(([, { count }]) => count > 0).sort(([a], [b]) => a - b);
  return {
    kind: "found",
    tags: found.tags,
    buckets: {
      atUs: rows.map(([atUs]) => atUs),
      min: rows.map(([, { min }]) => min),
      max: rows.map(([, { max }]) => max),
      avg: rows.map(([, { sum, count }]) => sum / count),
      count: rows.map(([, { count }]) => count),
    },
  };
}

/** Reads the points from the newest back, until the runs are enough. */
export async function readStates(client: InfluxClient, query: StatesQuery): Promise<StatesFound> {
  const found = await findSeries(client, query);
  if (found.kind === "ambiguous") return found;
  const { fromUs, limit } = query;
  const readings = async (where: string, most: number): Promise<{ atUs: number; value: ReadingValue }[]> => {
    const sql = `SELECT ${VALUES} FROM "readings" ${whereOf(query)} AND ${where} GROUP BY * ORDER BY time DESC LIMIT ${most}`;
    const [groups = []] = await client.queryGroups([sql]);
    return found.pick(groups).map(([atUs, ...fields]) => ({ atUs: Number(atUs), value: stateValue(fields) }));
  };
  const runs: StateRun[] = [];
  for (let toUs = query.toUs; toUs > fromUs && runs.length <= limit; ) {
    const chunk = await readings(`time >= ${fromUs}u AND time < ${toUs}u`, CHUNK_POINTS);
    for (const { atUs, value } of chunk) {
      const run = runs.at(-1);
      if (run?.value === value) runs[runs.length - 1] = { ...run, fromUs: atUs };
      else runs.push({ fromUs: atUs, lastUs: atUs, value });
    }
    toUs = chunk.length < CHUNK_POINTS ? fromUs : (chunk.at(-1)?.atUs ?? fromUs);
  }
  const [before] = await readings(`time < ${fromUs}u`, 1);
  const earlier = before && { fromUs: before.atUs, lastUs: before.atUs, value: before.value };
  return { kind: "found", tags: found.tags, ...statesOf(runs.slice(0, limit + 1), { limit, before: earlier }) };
}

async function findSeries(client: InfluxClient, query: Which): Promise<Found | Ambiguous> {
  const { device, metric } = query;
  let { tags } = query;
  if (tags === undefined) {
    const all = await seriesOf(client, query);
    if (all.length > 1) {
      const candidates = all.slice(0, CANDIDATES_MAX);
      return { kind: "ambiguous", candidates, complete: candidates.length === all.length };
    }
    tags = all[0] ?? {};
  }
  const wanted = storedTags({ device, metric, tags });
  const isSame = (stored: Tags): boolean => {
    const given = Object.entries(stored).filter(([, value]) => value !== "");
    return given.length === wanted.size && given.every(([name, value]) => wanted.get(name) === value);
  };
  return {
    kind: "found",
    tags,
    pick: (groups) => groups.filter((group) => isSame(group.tags)).flatMap(({ rows }) => rows),
  };
}

/** The tags of every series with this device and metric. */
async function seriesOf(client: InfluxClient, query: Which): Promise<readonly Tags[]> {
  const [groups = []] = await client.queryGroups([
    `SELECT ${VALUES} FROM "readings" ${whereOf(query)} GROUP BY * LIMIT 1`,
  ]);
  return groups
    .map(({ tags: { device: _device, metric: _metric, ...tags } }) =>
      Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== "")),
    )
    .sort((a, b) => (textOfTags(a) < textOfTags(b) ? -1 : 1));
}

function whereOf({ device, metric }: Which): string {
  return `WHERE device = ${literal(storedName(device))} AND metric = ${literal(storedName(metric))}`;
}

/** The value of a point. One with values of several kinds counts as one reading. */
function stateValue(fields: readonly unknown[]): ReadingValue {
  const value = fields.find((field) => field !== null);
  if (typeof value === "number" || typeof value === "boolean") return value;
  return String(value);
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
