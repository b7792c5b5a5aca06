import type { DuckDBConnection } from "@duckdb/node-api";
import type { AlertsQuery, IncidentQuery, ReadingsQuery, SeriesQuery, StatesQuery } from "../../contracts/history.ts";
import { Backoff } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { StorageEvents } from "../common/events.ts";
import { Mutex } from "../common/mutex.ts";
import type { Batch, Position, StoredStream, StoreHistory, StoreWriter, WriteReport } from "../common/store.ts";
import { NO_POSITION, StoreClosedError } from "../common/store.ts";
import { writeAlerts } from "./alerts-writer.ts";
import type { DuckdbConfig } from "./config.ts";
import { DuckdbHistory } from "./history.ts";
import { type OpenedFile, openDuckdb } from "./open.ts";
import { ReadingsWriter } from "./readings-writer.ts";
import { timestamp } from "./row-chunk.ts";
import { prepareSchema } from "./schema.ts";
import { WindowsWriter } from "./windows-writer.ts";

const QUESTION_TIMEOUT_MS = 20_000;
const RETRY = { firstMs: 100, maxMs: 10_000 };

export interface DuckdbStoreOptions {
  readonly config: DuckdbConfig;
  readonly seriesMax: number;
  readonly events: StorageEvents;
}

/** One file with one writing connection. Each transaction writes rows together with the position of their stream. */
export async function openDuckdbStore(options: DuckdbStoreOptions): Promise<StoreWriter & StoreHistory> {
  const store = new DuckdbStore(options);
  await store.open();
  return store;
}

interface Opened {
  readonly file: OpenedFile;
  readonly connection: DuckDBConnection;
  readonly readings: ReadingsWriter;
  readonly windows: WindowsWriter;
  readonly history: DuckdbHistory;
}

class DuckdbStore implements StoreWriter, StoreHistory {
  readonly name: string;
  readonly #options: DuckdbStoreOptions;
  /** Runs transactions one at a time. */
  readonly #writes = new Mutex();
  readonly #closing = new AbortController();
  #opened: Opened | undefined;

  constructor(options: DuckdbStoreOptions) {
    this.#options = options;
    this.name = `DuckDB ${options.config.file}`;
  }

  async open(): Promise<Opened> {
    const file = await openDuckdb(this.#options.config);
    try {
      const connection = await file.instance.connect();
      await prepareSchema(connection, (from, to) => this.#options.events.migrationBegan(this.name, { from, to }));
      const opened = {
        file,
        connection,
        readings: new ReadingsWriter(connection),
        windows: new WindowsWriter(connection, { seriesMax: this.#options.seriesMax }),
        history: new DuckdbHistory(file.instance, { timeoutMs: QUESTION_TIMEOUT_MS }),
      };
      await loadSaved(opened);
      this.#opened = opened;
      return opened;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  writesMax(): number {
    return 1;
  }

  async position(stream: StoredStream): Promise<Position> {
    const { connection } = this.#use();
    return this.#writes.run(() => readPosition(connection, stream));
  }

  async write(batch: Batch): Promise<WriteReport> {
    const { events } = this.#options;
    const backoff = new Backoff(RETRY, Math.random);
    for (let attempt = 1; ; attempt++) {
      try {
        const report = await this.#writes.run(() => this.#apply(batch, attempt));
        if (attempt > 1) events.writeRecovered();
        return report;
      } catch (error) {
        if (this.#closing.signal.aborted) throw new StoreClosedError("the store was closed", { cause: error });
        events.writeFailed(firstLine(error), { error, firstTry: attempt === 1 });
        await sleep(backoff.nextMs(), { signal: this.#closing.signal });
        await this.#writes
          .run(() => this.#recover())
          .catch((cause) => events.writeFailed(firstLine(cause), { error: cause, firstTry: false }));
      }
    }
  }

  async series(query: SeriesQuery) {
    return this.#use().history.series(query);
  }

  async states(query: StatesQuery) {
    return this.#use().history.states(query);
  }

  async alerts(query: AlertsQuery) {
    return this.#use().history.alerts(query);
  }

  async incident(query: IncidentQuery) {
    return this.#use().history.incident(query);
  }

  async extent() {
    return this.#use().history.extent();
  }

  async readings(query: ReadingsQuery) {
    return this.#use().history.readings(query);
  }

  /** Uses a separate connection: deleting a day of readings must not delay writes. */
  async forgetBefore(atUs: number): Promise<void> {
    const connection = await this.#use().file.instance.connect();
    try {
      for (const [table, column] of [
        ["reading_rows", "time"],
        ["window_rows", "end_time"],
        ["alerts", "time"],
      ]) {
        await connection.run(`DELETE FROM ${table} WHERE ${column} < $1`, [timestamp(atUs)]);
      }
    } finally {
      connection.closeSync();
    }
  }

  health() {
    const away = this.#options.events.away();
    return { ready: this.#opened !== undefined && away === undefined, detail: away ?? this.name };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writes.run(async () => {
      const opened = this.#opened;
      this.#opened = undefined;
      if (opened === undefined) return;
      // This only speeds up the next start, so a failure does not prevent closing.
      await save(opened).catch(() => undefined);
      shut(opened);
    });
  }

  #use(): Opened {
    if (this.#opened === undefined) throw new StoreClosedError("the database file is not open");
    return this.#opened;
  }

  async #apply(batch: Batch, attempt: number): Promise<WriteReport> {
    const { connection, readings, windows } = this.#use();
    // A commit may have succeeded although it was reported as failed.
    if (attempt > 1 && isSame(await readPosition(connection, batch.stream), batch.position)) return report(0, 0);
    await connection.run("BEGIN");
    let points = 0;
    let duplicates = 0;
    switch (batch.stream) {
      case "READINGS":
        points = batch.readings.count;
        duplicates = await readings.write(batch.readings);
        break;
      case "WINDOWS":
        points = batch.windows.length;
        await windows.write(batch.windows);
        break;
      case "ALERTS":
        points = batch.alerts.length;
        duplicates = await writeAlerts(connection, batch.alerts);
        break;
    }
    const { sequence, storedAtUs } = batch.position;
    await connection.run("UPDATE positions SET sequence = $1, stored_at = $2 WHERE stream = $3", [
      BigInt(sequence),
      BigInt(storedAtUs),
      batch.stream,
    ]);
    await connection.run("COMMIT");
    return report(points - duplicates, duplicates);
  }

  /** Forgets what a failed transaction added, and reopens the database if it is no longer usable. */
  async #recover(): Promise<void> {
    const opened = this.#opened;
    if (opened !== undefined) {
      try {
        await opened.connection.run("ROLLBACK").catch(() => undefined);
        await load(opened);
        return;
      } catch {
        this.#opened = undefined;
        shut(opened);
      }
    }
    if (!this.#closing.signal.aborted) await this.open();
  }
}

function shut(opened: Opened): void {
  opened.history.close();
  opened.connection.closeSync();
  opened.file.close();
}

function isSame(a: Position, b: Position): boolean {
  return a.sequence === b.sequence && a.storedAtUs === b.storedAtUs;
}

async function load(opened: Opened): Promise<void> {
  await opened.readings.load("rows");
  await opened.windows.load("rows");
}

/** Loads what a clean stop saved, and deletes it before the first write: after a crash it would be wrong. */
async function loadSaved(opened: Opened): Promise<void> {
  const { connection, readings, windows } = opened;
  const [row] = (await connection.runAndReadAll("SELECT count(*)::INT FROM newest_saved WHERE of = 'clean'")).getRows();
  if (row?.[0] !== 1) {
    await connection.run("DELETE FROM newest_saved");
    return load(opened);
  }
  await readings.load("saved");
  await windows.load("saved");
  await connection.run("DELETE FROM newest_saved");
}

async function save(opened: Opened): Promise<void> {
  const { connection, readings, windows } = opened;
  await connection.run("BEGIN");
  await readings.save();
  await windows.save();
  await connection.run("INSERT INTO newest_saved VALUES ('clean', 0, 0)");
  await connection.run("COMMIT");
}

async function readPosition(connection: DuckDBConnection, stream: StoredStream): Promise<Position> {
  const reader = await connection.runAndReadAll("SELECT sequence, stored_at FROM positions WHERE stream = $1", [
    stream,
  ]);
  const [row] = reader.getRows();
  return row === undefined ? NO_POSITION : { sequence: Number(row[0]), storedAtUs: Number(row[1]) };
}

function report(points: number, duplicates: number): WriteReport {
  return { points, duplicates, deadLetters: 0, dropped: 0 };
}

function firstLine(error: unknown): string {
  return reasonOf(error).split("\n")[0] ?? "";
}
