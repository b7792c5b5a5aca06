import { basename } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type {
  AlertsQuery,
  IncidentEventsQuery,
  IncidentQuery,
  ReadingsQuery,
  SeriesQuery,
  StatesQuery,
} from "../../contracts/history.ts";
import { Backoff } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Log } from "../../platform/log/port.ts";
import { partOf, rowsOf, rowText } from "../common/batch-rows.ts";
import { DeadLetters, letterIdOf, WRITE_REFUSED } from "../common/dead-letters.ts";
import type { StorageEvents } from "../common/events.ts";
import { Mutex } from "../common/mutex.ts";
import type { Batch, Position, StoredStream, StoreHistory, StoreWriter, WriteReport } from "../common/store.ts";
import { NO_POSITION, StoreClosedError } from "../common/store.ts";
import { writeAlerts } from "./alerts-writer.ts";
import type { DuckdbConfig } from "./config.ts";
import { causeOf } from "./failures.ts";
import { DuckdbHistory } from "./history.ts";
import { writeIncidentEvents } from "./incident-events.ts";
import { type OpenedFile, openDuckdb } from "./open.ts";
import { ReadingsWriter } from "./readings-writer.ts";
import { timestamp } from "./row-chunk.ts";
import { prepareSchema } from "./schema.ts";
import { WindowsWriter } from "./windows-writer.ts";

const QUESTION_TIMEOUT_MS = 20_000;
const RETRY = { firstMs: 100, maxMs: 5_000 };
/** A row that is refused so often alone is set aside. */
const TRIES = 3;

export interface DuckdbStoreOptions {
  readonly config: DuckdbConfig;
  readonly seriesMax: number;
  readonly events: StorageEvents;
  readonly log: Log;
  readonly nowUs: () => number;
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
  readonly #deadLetters: DeadLetters;
  #opened: Opened | undefined;
  /** The last transaction may be committed, although it seems to have failed. */
  #isCommitting = false;

  constructor(options: DuckdbStoreOptions) {
    this.#options = options;
    this.name = `DuckDB ${options.config.file}`;
    this.#deadLetters = new DeadLetters(options);
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
    return await this.#writePart(batch, { isLast: true });
  }

  /**
   * Retries while the store is unavailable. Splits a batch in half when its rows are the problem, until it finds each
   * row that DuckDB refuses. Only the last part moves the position, so a crash in between repeats the other parts.
   */
  async #writePart(batch: Batch, { isLast }: { readonly isLast: boolean }): Promise<WriteReport> {
    const { events } = this.#options;
    const backoff = new Backoff(RETRY, Math.random);
    const rows = rowsOf(batch);
    let isAway = false;
    let refusals = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        const report = await this.#writes.run(() => this.#apply(batch, { attempt, isLast }));
        if (isAway) events.writeRecovered();
        return report;
      } catch (error) {
        if (this.#closing.signal.aborted) throw new StoreClosedError("the store was closed", { cause: error });
        const cause = causeOf(error);
        if (rows > 0 && cause !== "store" && (await this.#recovered())) {
          const isRefused = rows === 1 && cause === "rows" && ++refusals >= TRIES && (await this.#canWrite());
          if (rows > 1 || isRefused) {
            if (isAway) events.writeRecovered();
            return isRefused ? await this.#setAside(batch, { isLast, error }) : await this.#writeHalves(batch, isLast);
          }
          if (cause === "rows" && refusals < TRIES) continue;
        }
        events.writeFailed(firstLine(error), { error, firstTry: !isAway });
        isAway = true;
        await sleep(backoff.nextMs(), { signal: this.#closing.signal });
        await this.#recovered();
      }
    }
  }

  async #writeHalves(batch: Batch, isLast: boolean): Promise<WriteReport> {
    const rows = rowsOf(batch);
    this.#options.events.batchSplit(batch.stream, rows);
    const first = await this.#writePart(partOf(batch, 0, rows >> 1), { isLast: false });
    const second = await this.#writePart(partOf(batch, rows >> 1, rows), { isLast });
    return sumOf(first, second);
  }

  /** Keeps the only row of the batch as a dead letter. */
  async #setAside(batch: Batch, { isLast, error }: { readonly isLast: boolean; readonly error: unknown }) {
    const text = rowText(batch, 0);
    const detail = `DuckDB refuses it: ${firstLine(error)}`;
    this.#options.events.pointRefused(text, detail);
    const topic = `duckdb/${basename(this.#options.config.file)}`;
    const payload = new TextEncoder().encode(text);
    await this.#deadLetters.keep({ reason: WRITE_REFUSED, detail, topic, payload }, letterIdOf(text));
    const moved = await this.#writePart(partOf(batch, 0, 0), { isLast });
    return { ...moved, deadLetters: 1 };
  }

  /** Whether a write without rows succeeds: if not, the rows are not the problem. */
  async #canWrite(): Promise<boolean> {
    try {
      await this.#writes.run(() => this.#use().connection.run("UPDATE positions SET sequence = sequence"));
      return true;
    } catch {
      return false;
    }
  }

  async #recovered(): Promise<boolean> {
    try {
      await this.#writes.run(() => this.#recover());
      return true;
    } catch (error) {
      this.#options.events.writeFailed(firstLine(error), { error, firstTry: false });
      return false;
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

  async incidentEvents(query: IncidentEventsQuery) {
    return this.#use().history.incidentEvents(query);
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
        ["incident_events", "time"],
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

  async #apply(batch: Batch, { attempt, isLast }: { readonly attempt: number; readonly isLast: boolean }) {
    const { connection, readings, windows } = this.#use();
    // A commit may have succeeded although it was reported as failed.
    if (attempt > 1 && isLast && isSame(await readPosition(connection, batch.stream), batch.position))
      return report(0, 0);
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
      case "NOTIFICATIONS":
        points = batch.events.length;
        duplicates = await writeIncidentEvents(connection, batch.events);
        break;
    }
    if (isLast) {
      const { sequence, storedAtUs } = batch.position;
      await connection.run("UPDATE positions SET sequence = $1, stored_at = $2 WHERE stream = $3", [
        BigInt(sequence),
        BigInt(storedAtUs),
        batch.stream,
      ]);
    }
    this.#isCommitting = true;
    await connection.run("COMMIT");
    this.#isCommitting = false;
    readings.commit();
    windows.commit();
    return report(points - duplicates, duplicates);
  }

  /** Forgets what a failed transaction added, and reopens the database if it is no longer usable. */
  async #recover(): Promise<void> {
    const opened = this.#opened;
    if (opened !== undefined) {
      try {
        await opened.connection.run("ROLLBACK").catch(() => undefined);
        await (this.#isCommitting ? load(opened) : rollback(opened));
        this.#isCommitting = false;
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

/** After a transaction that is not committed: much faster than `load`, which reads every row. */
async function rollback(opened: Opened): Promise<void> {
  await opened.readings.rollback();
  await opened.windows.rollback();
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

function sumOf(a: WriteReport, b: WriteReport): WriteReport {
  return {
    points: a.points + b.points,
    duplicates: a.duplicates + b.duplicates,
    deadLetters: a.deadLetters + b.deadLetters,
    dropped: a.dropped + b.dropped,
  };
}

function firstLine(error: unknown): string {
  return reasonOf(error).split("\n")[0] ?? "";
}
