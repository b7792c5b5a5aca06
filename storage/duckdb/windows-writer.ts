import { DOUBLE, type DuckDBConnection, TIMESTAMP, UINTEGER } from "@duckdb/node-api";
import { type WindowResult, windowKey } from "../../domain/window-result.ts";
import { Dictionary } from "./dictionary.ts";
import { Newest, savedOf } from "./newest.ts";
import { textOfTags } from "./readings-writer.ts";
import { RowChunk, timestamp } from "./row-chunk.ts";

const KEEP_HIGHEST = `
  CREATE OR REPLACE TEMP TABLE late_windows AS SELECT * FROM staged_windows
  QUALIFY row_number() OVER (PARTITION BY series, start_time, end_time ORDER BY revision DESC, place DESC) = 1`;

const DELETE_LOWER = `
  DELETE FROM window_rows r USING late_windows l
  WHERE r.series = l.series AND r.start_time = l.start_time AND r.end_time = l.end_time AND r.revision < l.revision`;

const INSERT_LATE = `
  INSERT INTO window_rows
  SELECT l.series, l.start_time, l.end_time, l.revision, l.value FROM late_windows l
  WHERE NOT EXISTS (
    SELECT 1 FROM window_rows r
    WHERE r.series = l.series AND r.start_time = l.start_time AND r.end_time = l.end_time)`;

const NEWEST_END_OF_EACH = "SELECT series::DOUBLE, max(epoch_us(end_time))::DOUBLE FROM window_rows GROUP BY series";

/** Rows of one aggregate each, so that every rule's aggregates fit one table. A higher revision replaces a lower. */
export class WindowsWriter {
  readonly #connection: DuckDBConnection;
  readonly #dictionary: Dictionary;
  readonly #seriesMax: number;
  readonly #newestEnd = new Newest();
  readonly #rows = new RowChunk([UINTEGER, TIMESTAMP, TIMESTAMP, UINTEGER, DOUBLE]);
  readonly #staged = new RowChunk([UINTEGER, UINTEGER, TIMESTAMP, TIMESTAMP, UINTEGER, DOUBLE]);
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
    this.#idOf.clear();
    await this.#dictionary.load();
    await this.#newestEnd.load(this.#connection, from === "saved" ? savedOf("windows") : NEWEST_END_OF_EACH);
  }

  async save(): Promise<void> {
    await this.#newestEnd.save(this.#connection, "windows");
  }

  async write(windows: readonly WindowResult[]): Promise<void> {
    const ids = await this.#resolve(windows);
    const late = await this.#appendNew(windows, ids);
    if (late.length === 0) return;
    await this.#stage(windows, late);
    await this.#connection.run(KEEP_HIGHEST);
    await this.#connection.run(DELETE_LOWER);
    await this.#connection.run(INSERT_LATE);
    await this.#connection.run("DROP TABLE late_windows");
    await this.#connection.run("DROP TABLE staged_windows");
  }

  /** Returns id and place of results whose window may be there already. */
  async #appendNew(windows: readonly WindowResult[], ids: Uint32Array): Promise<(readonly [number, number, number])[]> {
    const late: (readonly [number, number, number])[] = [];
    const rows = this.#rows;
    let at = 0;
    rows.begin(await this.#connection.createAppender("window_rows"));
    for (const [place, window] of windows.entries()) {
      for (const value of Object.values(window.aggregates)) {
        const id = ids[at++] as number;
        if (!this.#newestEnd.advance(id, window.endUs)) {
          late.push([id, place, value]);
          continue;
        }
        rows.set(0, id);
        rows.set(1, timestamp(window.startUs));
        rows.set(2, timestamp(window.endUs));
        rows.set(3, window.revision);
        rows.set(4, value);
        rows.endRow();
      }
    }
    rows.end();
    return late;
  }

  async #stage(windows: readonly WindowResult[], late: readonly (readonly [number, number, number])[]): Promise<void> {
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE staged_windows(place UINTEGER, series UINTEGER, start_time TIMESTAMP,
        end_time TIMESTAMP, revision UINTEGER, value DOUBLE)`,
    );
    const rows = this.#staged;
    rows.begin(await this.#connection.createAppender("staged_windows"));
    for (const [id, place, value] of late) {
      const window = windows[place] as WindowResult;
      rows.set(0, place);
      rows.set(1, id);
      rows.set(2, timestamp(window.startUs));
      rows.set(3, timestamp(window.endUs));
      rows.set(4, window.revision);
      rows.set(5, value);
      rows.endRow();
    }
    rows.end();
  }

  /** Dictionary ids of all aggregates of all results, in their order. */
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
      this.#newestEnd.reserve(this.#dictionary.size);
    }
    return Uint32Array.from(keys, (key) => this.#idOf.get(key) as number);
  }
}
