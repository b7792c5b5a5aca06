import { readFile, stat } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { BadFrameError, FrameReader, type SeriesTable } from "../../domain/frame-reader.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import { partitionOfSubject, readingsSubject } from "../../domain/subjects.ts";
import type { Log } from "../../platform/log/port.ts";
import { BadFileError, parseYaml } from "../../platform/yaml-file.ts";
import type { RecordedEntry } from "../../processors/backtest/backtest.ts";
import { ColumnBatch } from "../../processors/backtest/column-batch.ts";
import type { RecordedRow } from "../../processors/backtest/rows-source.ts";
import { beijingAirReplay } from "../../simulators/beijing-air.ts";
import { type ReplayConfig, replayConfig } from "../../simulators/config.ts";
import { mergeByTime } from "../../simulators/merge.ts";
import { findRecordings, readRecording } from "../../simulators/recording.ts";
import { UsageError } from "../failures.ts";

/** From when to when: processing time in a log, observation time elsewhere. `[fromUs, toUs)`. */
export interface Stretch {
  readonly fromUs: number | undefined;
  readonly toUs: number | undefined;
}

const ROWS_AT_ONCE = 1_024;

/** The readings log of a running gateway, to where it ends now. */
export async function* logEntries(
  log: Pick<Log, "read" | "bounds">,
  table: SeriesTable,
  { fromUs, toUs }: Stretch,
): AsyncGenerator<readonly RecordedEntry[]> {
  const frames = new FrameReader(table);
  const { lastSequence, messages } = await log.bounds("READINGS");
  if (messages === 0) throw new UsageError("the gateway's log holds no readings");
  const from = fromUs === undefined ? ({ kind: "first" } as const) : ({ kind: "time", atUs: fromUs } as const);
  const reader = log.read({ stream: "READINGS", from });
  try {
    for await (const batch of reader) {
      for (const { subject, sequence, storedAtUs, payload } of batch) {
        if (toUs !== undefined && storedAtUs >= toUs) return;
        const position = { partition: partitionOfSubject(subject), sequence, storedAtUs };
        try {
          // Columns are used again by the next read: one entry at a time.
          yield [{ entry: frames.read(payload), position }];
        } catch (error) {
          // The gateway passes over what cannot be read, too, and says so.
          if (!(error instanceof BadFrameError)) throw error;
        }
      }
      if ((batch.at(-1)?.sequence ?? lastSequence) >= lastSequence) return;
    }
  } finally {
    await reader.close();
  }
}

const PARTITIONS_MAX = 256;

/** How many partitions the log has, as far as its readings show. */
export async function partitionsOf(log: Pick<Log, "lastFor">): Promise<number> {
  const subjects = Array.from({ length: PARTITIONS_MAX }, (_, partition) => readingsSubject(partition));
  const newest = await Promise.all(subjects.map((subject) => log.lastFor("READINGS", subject)));
  return newest.findLastIndex((message) => message !== undefined) + 1 || 1;
}

/** Recordings as `weir simulate replay` takes them. `columns`: `beijing-air`, or a YAML file with its settings. */
export async function recordingConfig(
  paths: readonly string[],
  options: { readonly columns: string | undefined; readonly site: string | undefined },
): Promise<ReplayConfig> {
  const { columns, site } = options;
  const given = { paths: [...paths], ...(site === undefined ? {} : { site }) };
  if (columns === "beijing-air") return beijingAirReplay({ url: "mqtt://127.0.0.1", speed: "max", ...given });
  if (columns === undefined) return replayConfig.parse(given);
  let source: string;
  try {
    source = await readFile(columns, "utf8");
  } catch {
    throw new UsageError(
      `--columns ${columns}: no such file; give beijing-air, or a YAML file as for weir simulate replay --config`,
    );
  }
  const parsed = parseYaml(source, columns, replayConfig.partial({ paths: true }));
  if (!parsed.ok) throw new BadFileError(parsed.problems);
  return { ...parsed.value, ...given };
}

/** Rows by time, and what their lines could not tell. */
export async function recordedRows(config: ReplayConfig, { fromUs, toUs }: Stretch) {
  const files = await findRecordings(config.paths);
  const counts = { rowsUnreadable: 0, rowsEmpty: 0 };
  async function* rows(): AsyncGenerator<readonly RecordedRow[]> {
    let some: RecordedRow[] = [];
    for await (const row of mergeByTime(files.map((file) => readRecording(file, config.columns, counts)))) {
      if ((fromUs !== undefined && row.atUs < fromUs) || (toUs !== undefined && row.atUs >= toUs)) continue;
      some.push(row);
      if (some.length < ROWS_AT_ONCE) continue;
      yield some;
      some = [];
    }
    yield some;
  }
  return { files, counts, rows: rows() };
}

/** Stored readings of an embedded store's file, in order of observation. Each reading is taken to have arrived when observed. */
export async function* storedEntries(
  file: string,
  table: SeriesTable,
  { fromUs, toUs }: Stretch,
): AsyncGenerator<readonly RecordedEntry[]> {
  if ((await stat(file).catch(() => undefined)) === undefined) throw new UsageError(`no such file: ${file}`);
  const { DuckDBInstance } = await import("@duckdb/node-api");
  let connection: DuckDBConnection;
  try {
    const instance = await DuckDBInstance.create(file, {
      access_mode: "READ_ONLY",
      autoinstall_known_extensions: "false",
    });
    connection = await instance.connect();
  } catch (error) {
    const text = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    if (/could not set lock/i.test(text)) {
      throw new UsageError(
        `${file} is open in a running gateway; look at its log instead (--over log), or at a copy of the file`,
      );
    }
    throw new UsageError(`${file} cannot be read: ${text}`);
  }
  try {
    const ids = await seriesIds(connection, table);
    const batch = new ColumnBatch(table);
    let nowUs = Number.NEGATIVE_INFINITY;
    let sequence = 0;
    const within = [
      ...(fromUs === undefined ? [] : [`epoch_us(time) >= ${fromUs}`]),
      ...(toUs === undefined ? [] : [`epoch_us(time) < ${toUs}`]),
    ];
    const result = await connection.stream(
      `SELECT series::INTEGER, epoch_us(time)::DOUBLE, value, text FROM reading_rows ${within.length > 0 ? `WHERE ${within.join(" AND ")}` : ""} ORDER BY time, series`,
    );
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      const [series = [], times = [], values = [], texts = []] = chunk.getColumns();
      for (const [i, id] of series.entries()) {
        const known = ids.get(Number(id));
        if (known === undefined) continue;
        const atUs = Number(times[i]);
        if (atUs > nowUs) {
          if (batch.count > 0)
            yield [{ entry: batch.finish(nowUs), position: { partition: 0, sequence: ++sequence, storedAtUs: nowUs } }];
          nowUs = atUs;
        }
        batch.addTo(known.id, atUs, storedValue(known.kind, values[i], texts[i]));
      }
    }
    if (batch.count > 0)
      yield [{ entry: batch.finish(nowUs), position: { partition: 0, sequence: ++sequence, storedAtUs: nowUs } }];
  } finally {
    connection.closeSync();
  }
}

async function seriesIds(connection: DuckDBConnection, table: SeriesTable) {
  const ids = new Map<number, { readonly id: number; readonly kind: string }>();
  const rows = (await connection.runAndReadAll("SELECT id, device, metric, kind, tags FROM series")).getRows();
  for (const [stored, device, metric, kind, tags] of rows) {
    if (kind !== "number" && kind !== "boolean" && kind !== "string") continue;
    const series = {
      device: String(device),
      metric: String(metric),
      kind,
      tags: JSON.parse(String(tags)) as Tags,
    } as const;
    ids.set(Number(stored), { id: table.idOf(series), kind });
  }
  return ids;
}

function storedValue(kind: string, value: unknown, text: unknown): ReadingValue {
  if (kind === "string") return String(text);
  return kind === "boolean" ? Number(value) === 1 : Number(value);
}
