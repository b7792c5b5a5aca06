import type {
  AlertsQuery,
  ReadingsExtent,
  ReadingsPage,
  ReadingsQuery,
  SeriesAnswer,
  SeriesQuery,
} from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { Health } from "../../platform/service.ts";

export const STORED_STREAMS = ["READINGS", "WINDOWS", "ALERTS"] as const;
export type StoredStream = (typeof STORED_STREAMS)[number];

/** The last message of a stream whose effect is in the store. Its time tells one log from another. */
export interface Position {
  /** 0 when nothing was applied yet. */
  readonly sequence: number;
  readonly storedAtUs: number;
}

export const NO_POSITION: Position = { sequence: 0, storedAtUs: 0 };

/** Readings in columns; only the first `count` places of a column count. */
export interface ReadingColumns {
  readonly count: number;
  /** What `seriesId` points into. */
  readonly table: SeriesTable;
  readonly seriesId: Uint32Array;
  readonly atUs: Float64Array;
  /** Numbers; booleans as 0 or 1; for a string series the place in `texts`. */
  readonly values: Float64Array;
  readonly texts: readonly string[];
}

/** What a stretch of one stream holds, up to and with the message at `position`. */
export type Batch =
  | { readonly stream: "READINGS"; readonly position: Position; readonly readings: ReadingColumns }
  | { readonly stream: "WINDOWS"; readonly position: Position; readonly windows: readonly WindowResult[] }
  | { readonly stream: "ALERTS"; readonly position: Position; readonly alerts: readonly AlertChange[] };

export interface WriteReport {
  readonly points: number;
  /** Known already, and therefore not stored again. A store that overwrites equal points cannot tell, and says 0. */
  readonly duplicates: number;
  /** Refused by the store and kept as dead letters. */
  readonly deadLetters: number;
  /** Not stored by the store's own policy. */
  readonly dropped: number;
}

/**
 * Where results end up. Adapters: DuckDB (`duckdb/`) and InfluxDB (`influx/`); both pass `store-contract.ts`.
 *
 * Applying a batch twice leaves the same as applying it once: a reading is known by device, metric and time (the first
 * one stays in DuckDB, the last one in InfluxDB), an alert change by its id, a window by rule, labels and start: each
 * stream is written in its order, and there a window's revisions come in theirs, so the last one stays. Written again
 * from an earlier position on, it comes to the same. A retraction takes the window away: DuckDB deletes it, InfluxDB
 * marks it with `retracted=true`.
 */
export interface Store {
  /** Where the store is, for people. */
  readonly name: string;
  /** How many batches of a stream may be written at once. They still count in the order of their calls. */
  writesMax(stream: StoredStream): number;
  position(stream: StoredStream): Promise<Position>;
  /**
   * Resolves when the batch is durable; keeps trying while the store is away. Rejects with `StoreClosedError` when the
   * store was closed meanwhile. `position` may lag behind after a crash, never run ahead.
   */
  write(batch: Batch): Promise<WriteReport>;
  series(query: SeriesQuery): Promise<SeriesAnswer>;
  /** Newest first. */
  alerts(query: AlertsQuery): Promise<readonly AlertChange[]>;
  /** From when to when there are readings; undefined when there are none. */
  extent(): Promise<ReadingsExtent | undefined>;
  /**
   * Raw readings by time, each once, however they are cut into pages. What is stored meanwhile may be missed, or make
   * another one of its instant come twice.
   */
  readings(query: ReadingsQuery): Promise<ReadingsPage>;
  /** Deletes what is older, or has the store do so. */
  forgetBefore(atUs: number): Promise<void>;
  health(): Health;
  close(): Promise<void>;
}

/** The store was closed before the work was done. Nothing is lost: the log still has it. */
export class StoreClosedError extends Error {
  override readonly name = "StoreClosedError";
}

/** A question that took too long, or came when too many were being answered. Asking later can help. */
export class StoreBusyError extends Error {
  override readonly name = "StoreBusyError";
}
