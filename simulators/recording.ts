import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type Parser, parse } from "csv-parse";
import { isNumberText } from "../domain/number-text.ts";
import type { Tags } from "../domain/reading.ts";
import { reasonOf } from "../domain/reason.ts";
import { US_PER_MS, US_PER_SECOND } from "../domain/time.ts";
import { UserError } from "../domain/user-error.ts";
import type { Columns, DeviceColumn, TimeColumns } from "./config.ts";

/** One line of a recording: a device's measurements at one time. */
export interface RecordedRow {
  readonly device: string;
  /** Of the configured columns, those with a text. Rows with equal tags share the object. */
  readonly tags: Tags;
  /** Whole microseconds. */
  readonly atUs: number;
  /** Non-empty cells: numbers as numbers, others as text. */
  readonly values: Readonly<Record<string, number | string>>;
}

/** Lines that yield no row. */
export interface RowCounts {
  /** A wrong number of cells, no device, or an unreadable time. */
  rowsUnreadable: number;
  /** All cells are empty. */
  rowsEmpty: number;
}

/** A recording is unusable. Retrying does not help. */
export class RecordingError extends UserError {
  override readonly name = "RecordingError";
}

const BATCH_ROWS = 256;
const CSV_FILE = /\.csv(?:\.gz)?$/;
const ZONED = /(?:[zZ]|[+-]\d\d:?\d\d)$/;
const FRACTION = /^([^.,]*:\d\d)[.,](\d{1,9})(.*)$/;
const UNIT_US = { s: US_PER_SECOND, ms: US_PER_MS, us: 1, ns: 1 / 1000 } as const;

/** The CSV files at these paths; for a folder, the files directly in it, sorted by name. */
export async function findRecordings(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw new RecordingError(`no such file or folder: ${path}`);
    if (!found.isDirectory()) files.push(path);
    else for (const name of (await readdir(path)).sort()) if (CSV_FILE.test(name)) files.push(join(path, name));
  }
  if (files.length === 0) throw new RecordingError(`no .csv or .csv.gz file in ${paths.join(", ")}`);
  return files;
}

/** The rows of one file in file order, in batches of some hundreds. */
export async function* readRecording(
  path: string,
  columns: Columns,
  counts: RowCounts,
): AsyncGenerator<readonly RecordedRow[]> {
  const records = parse({ bom: true, relax_column_count: true, skip_empty_lines: true });
  const raw = createReadStream(path);
  const done = (error: Error | null | undefined): void => {
    if (error) records.destroy(error);
  };
  if (path.endsWith(".gz")) pipeline(raw, createGunzip(), records, done);
  else pipeline(raw, records, done);
  try {
    let toRow: ((cells: readonly string[]) => RecordedRow | undefined) | undefined;
    for await (const batch of batches(records)) {
      const rows: RecordedRow[] = [];
      for (const cells of batch) {
        if (toRow === undefined) {
          toRow = rowReader(path, cells, columns, counts);
          continue;
        }
        const row = toRow(cells);
        if (row !== undefined) rows.push(row);
      }
      if (rows.length > 0) yield rows;
    }
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw new RecordingError(`cannot read ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    raw.destroy();
    records.destroy();
  }
}

/** Records in batches: an `await` per record would cost more than parsing it. */
async function* batches(records: Parser): AsyncGenerator<readonly (readonly string[])[]> {
  const stream: Readable & { read(): readonly string[] | null } = records;
  let batch: (readonly string[])[] = [];
  for await (const cells of stream) {
    batch.push(cells);
    for (;;) {
      const more = batch.length < BATCH_ROWS ? stream.read() : null;
      if (more === null) break;
      batch.push(more);
    }
    yield batch;
    batch = [];
  }
}

function rowReader(
  path: string,
  header: readonly string[],
  columns: Columns,
  counts: RowCounts,
): (cells: readonly string[]) => RecordedRow | undefined {
  const index = new Map(header.map((name, i) => [name.trim(), i] as const));
  function indexOf(name: string): number {
    const found = index.get(name);
    if (found === undefined) throw new RecordingError(`${path} has no column "${name}"; it has ${header.join(", ")}`);
    return found;
  }
  const timeOf = timeReader(columns.time, indexOf);
  const deviceOf = deviceReader(path, columns.device, indexOf);
  const tagsOf = tagsReader(columns.tags, indexOf);
  const metrics = metricColumns(header, columns).map((name) => [name, indexOf(name)] as const);
  const missing = new Set(["", ...columns.missing]);
  return function toRow(cells) {
    const atUs = timeOf(cells);
    const device = deviceOf(cells);
    if (cells.length !== header.length || !Number.isSafeInteger(atUs) || device === "") {
      counts.rowsUnreadable += 1;
      return undefined;
    }
    const values: Record<string, number | string> = {};
    let measured = 0;
    for (const [name, i] of metrics) {
      const cell = (cells[i] ?? "").trim();
      if (missing.has(cell)) continue;
      values[name] = isNumberText(cell) ? Number(cell) : cell;
      // A number that no double can hold, such as 1e999: live, its message would be refused.
      if (values[name] === Number.POSITIVE_INFINITY || values[name] === Number.NEGATIVE_INFINITY) {
        counts.rowsUnreadable += 1;
        return undefined;
      }
      measured += 1;
    }
    if (measured === 0) {
      counts.rowsEmpty += 1;
      return undefined;
    }
    return { device, tags: tagsOf(cells), atUs, values };
  };
}

function metricColumns(header: readonly string[], columns: Columns): readonly string[] {
  if (columns.metrics !== undefined) return columns.metrics;
  const { time, device, tags, ignore } = columns;
  const used = new Set<string | undefined>([...ignore, ...tags]);
  if ("column" in time) used.add(time.column);
  else for (const name of Object.values(time)) used.add(name);
  if ("column" in device) used.add(device.column);
  return header.map((name) => name.trim()).filter((name) => name !== "" && !used.has(name));
}

type Cells = readonly string[];

/** The time of a row in microseconds; NaN if it has none. */
function timeReader(time: TimeColumns, indexOf: (name: string) => number): (cells: Cells) => number {
  if ("column" in time) {
    const i = indexOf(time.column);
    return (cells) => parseTimeUs((cells[i] ?? "").trim(), UNIT_US[time.unit]);
  }
  const [year, month, day] = [indexOf(time.year), indexOf(time.month), indexOf(time.day)];
  const hour = time.hour === undefined ? undefined : indexOf(time.hour);
  const minute = time.minute === undefined ? undefined : indexOf(time.minute);
  const part = (cells: Cells, i: number | undefined): number => (i === undefined ? 0 : parseInteger(cells[i]));
  return (cells) =>
    US_PER_MS *
    Date.UTC(part(cells, year), part(cells, month) - 1, part(cells, day), part(cells, hour), part(cells, minute));
}

function parseInteger(cell: string | undefined): number {
  const text = (cell ?? "").trim();
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function parseTimeUs(text: string, unitUs: number): number {
  if (text === "") return Number.NaN;
  // More digits than a number keeps.
  if (unitUs < 1 && /^\d{17,30}$/.test(text)) return Number(BigInt(text) / BigInt(Math.round(1 / unitUs)));
  if (isNumberText(text)) return Math.round(Number(text) * unitUs);
  const iso = text.replace(" ", "T");
  // `Date.parse` drops what is below a millisecond.
  const [, before = iso, fraction = "", after = ""] = FRACTION.exec(iso) ?? [];
  const seconds = `${before}${after}`;
  // A date alone already means UTC; a date and time without a zone would be parsed as local time.
  const ms = Date.parse(seconds.includes("T") && !ZONED.test(seconds) ? `${seconds}Z` : seconds);
  return ms * US_PER_MS + Number(fraction.padEnd(6, "0").slice(0, 6));
}

const NO_TAGS: Tags = {};

function tagsReader(names: readonly string[], indexOf: (name: string) => number): (cells: Cells) => Tags {
  if (names.length === 0) return () => NO_TAGS;
  const places = names.map(indexOf);
  const known = new Map<string, Tags>();
  const named = (texts: readonly string[]): Tags =>
    Object.fromEntries(names.map((name, i) => [name, texts[i] ?? ""]).filter(([, text]) => text !== ""));
  return (cells) => {
    const texts = places.map((i) => (cells[i] ?? "").trim());
    const key = JSON.stringify(texts);
    const tags = known.get(key) ?? named(texts);
    known.set(key, tags);
    return tags;
  };
}

function deviceReader(path: string, device: DeviceColumn, indexOf: (name: string) => number): (cells: Cells) => string {
  if ("column" in device) {
    const i = indexOf(device.column);
    return (cells) => (cells[i] ?? "").trim();
  }
  const name = new RegExp(device.file_name).exec(basename(path))?.[1];
  if (name === undefined) throw new RecordingError(`the name of ${path} does not match ${device.file_name}`);
  return () => name;
}
