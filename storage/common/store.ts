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

/** The last message of a stream whose effect is in the store. Its time distinguishes one log from another. */
export interface Position {
  /** 0 when nothing has been applied yet. */
  readonly sequence: number;
  readonly storedAtUs: number;
}

export const NO_POSITION: Position = { sequence: 0, storedAtUs: 0 };

/** Readings in columns. Only the first `count` places of each column are used. */
export interface ReadingColumns {
  readonly count: number;
  /** The table that `seriesId` refers to. */
  readonly table: SeriesTable;
  readonly seriesId: Uint32Array;
  readonly atUs: Float64Array;
  /** Numbers; booleans as 0 or 1; for a string series, the index in `texts`. */
  readonly values: Float64Array;
  readonly texts: readonly string[];
}

/** The contents of consecutive messages of one stream, up to and including the one at `position`. */
export type Batch =
  | { readonly stream: "READINGS"; readonly position: Position; readonly readings: ReadingColumns }
  | { readonly stream: "WINDOWS"; readonly position: Position; readonly windows: readonly WindowResult[] }
  | { readonly stream: "ALERTS"; readonly position: Position; readonly alerts: readonly AlertChange[] };

export interface WriteReport {
  readonly points: number;
  /** Known already, and not stored again. A store that overwrites equal points cannot count them, and returns 0. */
  readonly duplicates: number;
  /** Refused by the store and kept as dead letters. */
  readonly deadLetters: number;
  /** Dropped by a policy of the store. */
  readonly dropped: number;
}

/**
 * Writes results to a store. The kinds are in the table of `../stores.ts`, and each passes `../testing/store-contract.ts`.
 *
 * Writing is idempotent, also when a stream is written again from an earlier position on. A reading is identified by
 * device, metric and time (DuckDB keeps the first one, InfluxDB the last one), an alert change by its id, a window by
 * rule, labels and start. Each stream is written in order, and a window's revisions are in order in it, so the last one
 * stays. A retraction removes the window: DuckDB deletes it, InfluxDB marks it with `retracted=true`.
 */
export interface StoreWriter {
  /** The kind of store and its place, for messages. */
  readonly name: string;
  /** How many batches of a stream may be written at once. They still take effect in the order of their calls. */
  writesMax(stream: StoredStream): number;
  position(stream: StoredStream): Promise<Position>;
  /**
   * Resolves when the batch is durable; retries while the store is away. Rejects with `StoreClosedError` when the store
   * is closed meanwhile. After a crash `position` may lag behind, but it is never ahead.
   */
  write(batch: Batch): Promise<WriteReport>;
  /** Deletes older results, or has the store do so. */
  forgetBefore(atUs: number): Promise<void>;
  health(): Health;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Answers questions about the past. Closed with its writer. */
export interface StoreHistory {
  series(query: SeriesQuery): Promise<SeriesAnswer>;
  /** Newest first. */
  alerts(query: AlertsQuery): Promise<readonly AlertChange[]>;
  /** The time range of the readings; undefined when there are none. */
  extent(): Promise<ReadingsExtent | undefined>;
  /**
   * Raw readings by time, each once, however they are split into pages. Readings that are stored meanwhile may be missing,
   * or repeat another one of the same instant.
   */
  readings(query: ReadingsQuery): Promise<ReadingsPage>;
}

export interface OpenedStore {
  readonly writer: StoreWriter;
  /** Undefined for a store that can only be written to. */
  readonly history: StoreHistory | undefined;
}

/** The store was closed before the work was complete. Nothing is lost: the log still has it. */
export class StoreClosedError extends Error {
  override readonly name = "StoreClosedError";
}

/** The store can only be written to. Asking again does not help. */
export class NoHistoryError extends Error {
  override readonly name = "NoHistoryError";

  constructor(store: string) {
    super(`${store} can only be written to, so it answers no questions about the past`);
  }
}

/** A question took too long, or came while too many were being answered. Asking again later can help. */
export class StoreBusyError extends Error {
  override readonly name = "StoreBusyError";
}
