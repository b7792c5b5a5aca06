import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type {
  AlertsQuery,
  ReadingsExtent,
  ReadingsPage,
  ReadingsQuery,
  SeriesAnswer,
  SeriesQuery,
} from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { bucketWidthUs } from "../common/buckets.ts";
import { StoreBusyError } from "../common/store.ts";
import { timestamp } from "./row-chunk.ts";
import { readExtent, readReadings } from "./stored-readings.ts";

const QUESTIONS_MAX = 2;
const WAITING_MAX = 64;

const BUCKETS = `
  SELECT ((epoch_us(time) - $1) // $2)::DOUBLE, min(value), max(value), avg(value), count(value)::DOUBLE
  FROM reading_rows
  WHERE series IN (SELECT id FROM series WHERE device = $3 AND metric = $4 AND kind <> 'string')
    AND time >= $5 AND time < $6 AND isfinite(value)
  GROUP BY 1 ORDER BY 1`;

const ALERTS = `
  SELECT change FROM alerts WHERE time >= $1 AND time < $2 ORDER BY time DESC, id DESC LIMIT $3`;

/** Answers queries on separate connections, a few at a time, so that they do not block writes. */
export class DuckdbHistory {
  readonly #instance: DuckDBInstance;
  readonly #timeoutMs: number;
  readonly #idle: DuckDBConnection[] = [];
  readonly #busy = new Set<DuckDBConnection>();
  readonly #waiting: (() => void)[] = [];

  constructor(instance: DuckDBInstance, options: { readonly timeoutMs: number }) {
    this.#instance = instance;
    this.#timeoutMs = options.timeoutMs;
  }

  async series(query: SeriesQuery): Promise<SeriesAnswer> {
    const widthUs = bucketWidthUs(query);
    const columns = await this.#ask(async (connection) => {
      const { device, metric, fromUs, toUs } = query;
      const values = [BigInt(fromUs), BigInt(widthUs), device, metric, timestamp(fromUs), timestamp(toUs)];
      return (await connection.runAndReadAll(BUCKETS, values)).getColumns();
    });
    const [buckets = [], min = [], max = [], avg = [], count = []] = columns;
    return {
      atUs: buckets.map((bucket) => query.fromUs + Number(bucket) * widthUs),
      min: min.map(Number),
      max: max.map(Number),
      avg: avg.map(Number),
      count: count.map(Number),
    };
  }

  async alerts(query: AlertsQuery): Promise<AlertChange[]> {
    const values = [timestamp(query.fromUs), timestamp(query.toUs), BigInt(query.limit)];
    const rows = await this.#ask(async (connection) => (await connection.runAndReadAll(ALERTS, values)).getRows());
    return rows.map(([change]) => JSON.parse(String(change)) as AlertChange);
  }

  async extent(): Promise<ReadingsExtent | undefined> {
    return this.#ask(readExtent);
  }

  async readings(query: ReadingsQuery): Promise<ReadingsPage> {
    return this.#ask((connection) => readReadings(connection, query));
  }

  close(): void {
    for (const connection of this.#busy) connection.interrupt();
    for (const connection of this.#idle.splice(0)) connection.closeSync();
  }

  async #ask<T>(question: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    if (this.#waiting.length >= WAITING_MAX) throw new StoreBusyError("too many history queries at once");
    while (this.#busy.size >= QUESTIONS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const connection = this.#idle.pop() ?? (await this.#instance.connect());
    this.#busy.add(connection);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      connection.interrupt();
    }, this.#timeoutMs);
    try {
      return await question(connection);
    } catch (error) {
      if (late) throw new StoreBusyError(`no answer within ${this.#timeoutMs / 1000} s; ask for less`);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#busy.delete(connection);
      this.#idle.push(connection);
      this.#waiting.shift()?.();
    }
  }
}
