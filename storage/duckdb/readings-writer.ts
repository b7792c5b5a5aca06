import { DOUBLE, type DuckDBConnection, TIMESTAMP, UINTEGER, VARCHAR } from "@duckdb/node-api";
import { at } from "../../domain/at.ts";
import { grown } from "../../domain/grown.ts";
import type { SeriesTable } from "../../domain/series-table.ts";
import { isTooLarge } from "../common/batch-rows.ts";
import type { ReadingColumns } from "../common/store.ts";
import { textOfTags } from "../common/tags-text.ts";
import { append } from "./append.ts";
import { Dictionary } from "./dictionary.ts";
import { Newest, savedOf } from "./newest.ts";
import { RowChunk, timestamp } from "./row-chunk.ts";

/** The first reading of a sensor at an instant wins, whatever its kind; within a batch, the earlier one. */
const INSERT_LATE = `
  INSERT INTO reading_rows
  SELECT l.series, l.time, l.value, l.text
  FROM (SELECT * FROM late QUALIFY row_number() OVER (PARTITION BY sensor, time ORDER BY place) = 1) l
  WHERE NOT EXISTS (
    SELECT 1 FROM reading_rows r JOIN series s ON s.id = r.series
    WHERE r.time BETWEEN $1 AND $2 AND s.sensor = l.sensor AND r.time = l.time)`;

const NEWEST_OF_EACH_SENSOR = `
  SELECT s.sensor::DOUBLE, max(epoch_us(r.newest))::DOUBLE
  FROM (SELECT series, max(time) AS newest FROM reading_rows GROUP BY series) r JOIN series s ON s.id = r.series
  GROUP BY s.sensor`;

interface NamedSensor {
  readonly device: string;
  readonly metric: string;
  /** As `textOfTags` writes them. */
  readonly tags: string;
}

/**
 * Appends readings in the open transaction. A reading newer than all others of its sensor cannot be a duplicate and
 * is appended directly; the others are compared with the stored ones.
 */
export class ReadingsWriter {
  readonly #connection: DuckDBConnection;
  readonly #sensors: Dictionary;
  readonly #series: Dictionary;
  readonly #newest = new Newest();
  readonly #rows = new RowChunk([UINTEGER, TIMESTAMP, DOUBLE, VARCHAR]);
  readonly #lateRows = new RowChunk([UINTEGER, UINTEGER, UINTEGER, TIMESTAMP, DOUBLE, VARCHAR]);
  /** The arrays below are indexed by id in this table, up to `#resolved`. */
  #table: SeriesTable | undefined;
  #resolved = 0;
  #seriesOf = new Uint32Array(1024);
  #sensorOf = new Uint32Array(1024);
  #isText = new Uint8Array(1024);

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
    this.#sensors = new Dictionary(connection, { table: "sensors", columns: ["device", "metric", "tags"] });
    this.#series = new Dictionary(connection, {
      table: "series",
      columns: ["device", "metric", "kind", "tags"],
      ownerColumn: "sensor",
    });
  }

  /** Loads the newest times from the file: at the start, and after a commit that may have failed. */
  async load(from: "rows" | "saved"): Promise<void> {
    await this.#forgetNames();
    await this.#newest.load(this.#connection, from === "saved" ? savedOf("readings") : NEWEST_OF_EACH_SENSOR);
  }

  /** What the last `write` added is in the file. */
  commit(): void {
    this.#newest.commit();
  }

  /** Forgets what the last `write` added, if it is not committed. */
  async rollback(): Promise<void> {
    await this.#forgetNames();
    this.#newest.rollback();
  }

  async #forgetNames(): Promise<void> {
    this.#table = undefined;
    await this.#sensors.load();
    await this.#series.load();
  }

  async save(): Promise<void> {
    await this.#newest.save(this.#connection, "readings");
  }

  /** Returns how many readings were already stored. */
  async write(readings: ReadingColumns): Promise<number> {
    this.#newest.begin();
    await this.#resolve(readings.table);
    const late = await this.#appendNew(readings);
    if (late.length === 0) return 0;
    await this.#stageLate(readings, late);
    const { firstUs, lastUs } = range(readings.atUs, late);
    const inserted = await this.#connection.run(INSERT_LATE, [timestamp(firstUs), timestamp(lastUs)]);
    await this.#connection.run("DROP TABLE late");
    return late.length - inserted.rowsChanged;
  }

  async #appendNew(readings: ReadingColumns): Promise<number[]> {
    const { count, seriesId, atUs, values, texts } = readings;
    const rows = this.#rows;
    const late: number[] = [];
    await append(this.#connection, "reading_rows", (appender) => {
      rows.begin(appender);
      for (let i = 0; i < count; i++) {
        const id = seriesId[i] as number;
        const us = atUs[i] as number;
        if (!this.#newest.advance(this.#sensorOf[id] as number, us)) {
          late.push(i);
          continue;
        }
        const value = values[i] as number;
        const isText = this.#isText[id] === 1;
        rows.set(0, this.#seriesOf[id] as number);
        rows.set(1, timestamp(us));
        rows.set(2, isText ? null : value);
        rows.set(3, isText ? (texts[value] as string) : null);
        rows.endRow();
      }
      rows.end();
    });
    return late;
  }

  async #stageLate(readings: ReadingColumns, late: readonly number[]): Promise<void> {
    const { seriesId, atUs, values, texts } = readings;
    await this.#connection.run(
      `CREATE OR REPLACE TEMP TABLE late(place UINTEGER, sensor UINTEGER, series UINTEGER, time TIMESTAMP,
        value DOUBLE, text VARCHAR)`,
    );
    const rows = this.#lateRows;
    await append(this.#connection, "late", (appender) => {
      rows.begin(appender);
      for (const i of late) {
        const id = seriesId[i] as number;
        const value = values[i] as number;
        const isText = this.#isText[id] === 1;
        rows.set(0, i);
        rows.set(1, this.#sensorOf[id] as number);
        rows.set(2, this.#seriesOf[id] as number);
        rows.set(3, timestamp(atUs[i] as number));
        rows.set(4, isText ? null : value);
        rows.set(5, isText ? (texts[value] as string) : null);
        rows.endRow();
      }
      rows.end();
    });
  }

  /** A table assigns ids in order, so its new series are at the end. */
  async #resolve(table: SeriesTable): Promise<void> {
    if (table !== this.#table) {
      this.#table = table;
      this.#resolved = 0;
    }
    const first = this.#resolved;
    const size = table.size;
    if (first === size) return;
    const added: number[] = [];
    // The lane sets the readings of a series that is too large aside.
    for (let id = first; id < size; id++) if (!isTooLarge(table, id)) added.push(id);
    const named = added.map((id) => {
      const { tags, ...series } = table.series(id);
      return { ...series, tags: textOfTags(tags) };
    });
    const sensorOf = await this.#resolveSensors(named);
    const seriesOf = await this.#series.resolve(
      named.map(({ device, metric, kind, tags }) => [device, metric, kind, tags]),
      sensorOf,
    );
    this.#seriesOf = grown(this.#seriesOf, size);
    this.#sensorOf = grown(this.#sensorOf, size);
    this.#isText = grown(this.#isText, size);
    for (const [place, id] of added.entries()) {
      this.#seriesOf[id] = at(seriesOf, place);
      this.#sensorOf[id] = at(sensorOf, place);
      this.#isText[id] = table.kind(id) === "string" ? 1 : 0;
    }
    this.#newest.reserve(this.#sensors.size);
    this.#resolved = size;
  }

  async #resolveSensors(added: readonly NamedSensor[]): Promise<Uint32Array> {
    const placeOf = new Map<string, number>();
    const rows: string[][] = [];
    const places = added.map(({ device, metric, tags }) => {
      const key = JSON.stringify([device, metric, tags]);
      let place = placeOf.get(key);
      if (place === undefined) {
        place = rows.push([device, metric, tags]) - 1;
        placeOf.set(key, place);
      }
      return place;
    });
    const ids = await this.#sensors.resolve(rows);
    return Uint32Array.from(places, (place) => ids[place] as number);
  }
}

function range(atUs: Float64Array, places: readonly number[]): { firstUs: number; lastUs: number } {
  let firstUs = Number.POSITIVE_INFINITY;
  let lastUs = Number.NEGATIVE_INFINITY;
  for (const i of places) {
    firstUs = Math.min(firstUs, atUs[i] as number);
    lastUs = Math.max(lastUs, atUs[i] as number);
  }
  return { firstUs, lastUs };
}
