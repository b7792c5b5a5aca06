import {
  DOUBLE,
  type DuckDBConnection,
  type DuckDBTimestampValue,
  TIMESTAMP,
  UINTEGER,
  VARCHAR,
} from "@duckdb/node-api";
import { isRetraction, type WindowResult, windowKey } from "../../domain/window-result.ts";
import { textOfTags } from "../common/tags-text.ts";
import { append } from "./append.ts";
import { Dictionary } from "./dictionary.ts";
import { Newest, savedOf } from "./newest.ts";
import { RowChunk, timestamp } from "./row-chunk.ts";

const STAGE = `
  CREATE OR REPLACE TEMP TABLE staged_windows(place UINTEGER, series UINTEGER, start_time TIMESTAMP,
    end_time TIMESTAMP, revision UINTEGER, value DOUBLE, text VARCHAR)`;

const STAGE_RETRACTIONS = `
  CREATE OR REPLACE TEMP TABLE retractions(place UINTEGER, rule VARCHAR, labels VARCHAR,
    start_time TIMESTAMP, revision UINTEGER)`;

/** A retraction names no aggregates: it removes all of them. */
const RETRACT_EACH_AGGREGATE = `
  INSERT INTO staged_windows
  SELECT x.place, s.id, x.start_time, x.start_time, x.revision, NULL, NULL
  FROM retractions x JOIN window_series s USING (rule, labels)`;

const KEEP_HIGHEST = `
  CREATE OR REPLACE TEMP TABLE late_windows AS SELECT * FROM staged_windows
  QUALIFY row_number() OVER (PARTITION BY series, start_time ORDER BY revision DESC, place DESC) = 1`;

/** The range of start times lets DuckDB skip blocks of rows outside it. */
const DELETE_REPLACED = `
  DELETE FROM window_rows r USING late_windows l
  WHERE r.start_time BETWEEN $1 AND $2
    AND r.series = l.series AND r.start_time = l.start_time AND r.revision <= l.revision`;

const INSERT_LATE = `
  INSERT INTO window_rows
  SELECT l.series, l.start_time, l.end_time, l.revision, l.value, l.text FROM late_windows l
  WHERE l.end_time > l.start_time AND NOT EXISTS (
    SELECT 1 FROM window_rows r
    WHERE r.start_time BETWEEN $1 AND $2 AND r.series = l.series AND r.start_time = l.start_time)`;

const NEWEST_START_OF_EACH =
  "SELECT series::DOUBLE, max(epoch_us(start_time))::DOUBLE FROM window_rows GROUP BY series";

interface LateValue {
  readonly id: number;
  readonly place: number;
  readonly value: number | string;
}

/**
 * Each row holds one aggregate, so that one table fits every rule. A window is identified by its start, since a
 * session may change its end. A start later than all others of its series cannot be stored yet and is appended
 * directly. For the others the highest revision wins, and of equal revisions the last one.
 */
export class WindowsWriter {
  readonly #connection: DuckDBConnection;
  readonly #dictionary: Dictionary;
  readonly #seriesMax: number;
  readonly #newestStart = new Newest();
  readonly #rows = new RowChunk([UINTEGER, TIMESTAMP, TIMESTAMP, UINTEGER, DOUBLE, VARCHAR]);
  readonly #staged = new RowChunk([UINTEGER, UINTEGER, TIMESTAMP, TIMESTAMP, UINTEGER, DOUBLE, VARCHAR]);
  readonly #idOf = new Map<string, number>();

  constructor(connection: DuckDBConnection, limits: { readonly seriesMax: number }) {
    this.#connection = connection;
    this.#seriesMax = limits.seriesMax;
    this.#dictionary = new Dictionary(connection, {
      table: "window_series",
      columns: ["rule", "labels", "aggregate"],
    });
  }

  async load(from: "rows" | "saved"): Promise<void> {
    await this.#forgetNames();
    await this.#newestStart.load(this.#connection, from === "saved" ? savedOf("windows") : NEWEST_START_OF_EACH);
  }

  /** What the last `write` added is in the file. */
  commit(): void {
    this.#newestStart.commit();
  }

  /** Forgets what the last `write` added, if it is not committed. */
  async rollback(): Promise<void> {
    await this.#forgetNames();
    this.#newestStart.rollback();
  }

  async #forgetNames(): Promise<void> {
    this.#idOf.clear();
    await this.#dictionary.load();
  }

  async save(): Promise<void> {
    await this.#newestStart.save(this.#connection, "windows");
  }

  async write(windows: readonly WindowResult[]): Promise<void> {
    this.#newestStart.begin();
    const ids = await this.#resolve(windows);
    const late = await this.#appendNew(windows, ids);
    const retractions = windows.filter(isRetraction);
    if (late.length === 0 && retractions.length === 0) return;
    await this.#stage(windows, late);
    if (retractions.length > 0) await this.#stageRetractions(windows);
    await this.#connection.run(KEEP_HIGHEST);
    const span = spanOfStarts([...late.map(({ place }) => windows[place] as WindowResult), ...retractions]);
    await this.#connection.run(DELETE_REPLACED, span);
    await this.#connection.run(INSERT_LATE, span);
    await this.#connection.run("DROP TABLE late_windows");
    await this.#connection.run("DROP TABLE staged_windows");
  }

  /** Returns the results whose window may already be stored. */
  async #appendNew(windows: readonly WindowResult[], ids: Uint32Array): Promise<LateValue[]> {
    const late: LateValue[] = [];
    const rows = this.#rows;
    let at = 0;
    await append(this.#connection, "window_rows", (appender) => {
      rows.begin(appender);
      for (const [place, window] of windows.entries()) {
        for (const value of Object.values(window.aggregates)) {
          const id = ids[at++] as number;
          if (!this.#newestStart.advance(id, window.startUs)) {
            late.push({ id, place, value });
            continue;
          }
          setRow(rows, 0, { id, window, value });
          rows.endRow();
        }
      }
      rows.end();
    });
    return late;
  }

  async #stage(windows: readonly WindowResult[], late: readonly LateValue[]): Promise<void> {
    await this.#connection.run(STAGE);
    const rows = this.#staged;
    await append(this.#connection, "staged_windows", (appender) => {
      rows.begin(appender);
      for (const { id, place, value } of late) {
        rows.set(0, place);
        setRow(rows, 1, { id, window: windows[place] as WindowResult, value });
        rows.endRow();
      }
      rows.end();
    });
  }

  async #stageRetractions(windows: readonly WindowResult[]): Promise<void> {
    await this.#connection.run(STAGE_RETRACTIONS);
    await append(this.#connection, "retractions", (appender) => {
      for (const [place, window] of windows.entries()) {
        if (!isRetraction(window)) continue;
        appender.appendUInteger(place);
        appender.appendVarchar(window.rule);
        appender.appendVarchar(textOfTags(window.labels));
        appender.appendTimestamp(timestamp(window.startUs));
        appender.appendUInteger(window.revision);
        appender.endRow();
      }
    });
    await this.#connection.run(RETRACT_EACH_AGGREGATE);
    await this.#connection.run("DROP TABLE retractions");
  }

  /** Dictionary ids of all aggregates of all results, in order. */
  async #resolve(windows: readonly WindowResult[]): Promise<Uint32Array> {
    if (this.#idOf.size > this.#seriesMax) this.#idOf.clear();
    const keys: string[] = [];
    const wanted = new Map<string, readonly string[]>();
    for (const window of windows) {
      const group = windowKey(window);
      for (const aggregate of Object.keys(window.aggregates)) {
        const key = `${group}\u0002${aggregate}`;
        keys.push(key);
        if (!this.#idOf.has(key) && !wanted.has(key)) {
          wanted.set(key, [window.rule, textOfTags(window.labels), aggregate]);
        }
      }
    }
    if (wanted.size > 0) {
      const ids = await this.#dictionary.resolve([...wanted.values()]);
      let place = 0;
      for (const key of wanted.keys()) this.#idOf.set(key, ids[place++] as number);
      this.#newestStart.reserve(this.#dictionary.size);
    }
    return Uint32Array.from(keys, (key) => this.#idOf.get(key) as number);
  }
}

/** The columns of `window_rows`, from column `first` on. */
function setRow(
  rows: RowChunk,
  first: number,
  { id, window, value }: { readonly id: number; readonly window: WindowResult; readonly value: number | string },
): void {
  const isText = typeof value === "string";
  rows.set(first, id);
  rows.set(first + 1, timestamp(window.startUs));
  rows.set(first + 2, timestamp(window.endUs));
  rows.set(first + 3, window.revision);
  rows.set(first + 4, isText || Number.isNaN(value) ? null : value);
  rows.set(first + 5, isText ? value : null);
}

function spanOfStarts(windows: readonly WindowResult[]): [DuckDBTimestampValue, DuckDBTimestampValue] {
  let firstUs = Number.POSITIVE_INFINITY;
  let lastUs = Number.NEGATIVE_INFINITY;
  for (const { startUs } of windows) {
    firstUs = Math.min(firstUs, startUs);
    lastUs = Math.max(lastUs, startUs);
  }
  return [timestamp(firstUs), timestamp(lastUs)];
}
