import type {
  AlertsPage,
  AlertsQuery,
  IncidentEventsQuery,
  IncidentQuery,
  ReadingsExtent,
  ReadingsPage,
  ReadingsQuery,
  SeriesFound,
  SeriesQuery,
  StatesFound,
  StatesQuery,
} from "../../contracts/history.ts";
import type { IncidentEvent } from "../../contracts/incident-events.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { Health } from "../../platform/service.ts";

export const STORED_STREAMS = ["READINGS", "WINDOWS", "ALERTS", "NOTIFICATIONS"] as const;
export type StoredStream = (typeof STORED_STREAMS)[number];

/** The last message of a stream whose effect is in the store. Its time shows whether the log is still the same one. */
export interface Position {
  /** 0 when nothing has been applied yet. */
  readonly sequence: number;
  readonly storedAtUs: number;
}

export const NO_POSITION: Position = { sequence: 0, storedAtUs: 0 };

/** Readings in columns. Only the first `count` elements of each column are used. */
export interface ReadingColumns {
  readonly count: number;
  /** The table that `seriesId` refers to. */
  readonly table: SeriesTable;
  readonly seriesId: Uint32Array;
  readonly atUs: Float64Array;
  /** Numbers; booleans as 0 or 1; for a string series, the index into `texts`. */
  readonly values: Float64Array;
  readonly texts: readonly string[];
}

/** The contents of consecutive messages of one stream, up to and including the one at `position`. */
export type Batch =
  | { readonly stream: "READINGS"; readonly position: Position; readonly readings: ReadingColumns }
  | { readonly stream: "WINDOWS"; readonly position: Position; readonly windows: readonly WindowResult[] }
  | { readonly stream: "ALERTS"; readonly position: Position; readonly alerts: readonly AlertChange[] }
  | { readonly stream: "NOTIFICATIONS"; readonly position: Position; readonly events: readonly IncidentEvent[] };

export interface WriteReport {
  readonly points: number;
  /** Already stored, so skipped. A store that overwrites equal points cannot count them, and returns 0. */
  readonly duplicates: number;
  /** Refused by the store and kept as dead letters. */
  readonly deadLetters: number;
  /** Dropped by a policy of the store. */
  readonly dropped: number;
}

/**
 * Writes results to a store. The kinds are in the table of `../stores.ts`, and each passes `../testing/store-contract.ts`.
 *
 * Writes are idempotent, even when a stream is written again from an earlier position. A reading is identified by
 * device, metric, tags and time (DuckDB keeps the first one, InfluxDB the last one), an alert change by its id, a window by
 * rule, labels and start. Each stream is written in order, and a window's revisions are in order in it, so the last one
 * wins. A retraction removes the window: DuckDB deletes it, InfluxDB marks it with `retracted=true`.
 */
export interface StoreWriter {
  /** The kind of store and its location, for messages. */
  readonly name: string;
  /** How many batches of a stream may be written at once. They still take effect in call order. */
  writesMax(stream: StoredStream): number;
  position(stream: StoredStream): Promise<Position>;
  /**
   * Resolves when the batch is durable; retries while the store is unavailable. Rejects with `StoreClosedError` when
   * the store is closed first. After a crash `position` may lag behind, but it is never ahead.
   */
  write(batch: Batch): Promise<WriteReport>;
  /** Deletes older results, or makes the store delete them. */
  forgetBefore(atUs: number): Promise<void>;
  health(): Health;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Answers history queries. Its writer closes it. */
export interface StoreHistory {
  series(query: SeriesQuery): Promise<SeriesFound>;
  states(query: StatesQuery): Promise<StatesFound>;
  alerts(query: AlertsQuery): Promise<AlertsPage>;
  incident(query: IncidentQuery): Promise<AlertsPage>;
  /** Each event of these incidents once, in its newest state, oldest first. */
  incidentEvents(query: IncidentEventsQuery): Promise<readonly IncidentEvent[]>;
  /** The time range of the readings; undefined when there are none. */
  extent(): Promise<ReadingsExtent | undefined>;
  /**
   * Raw readings by time, each exactly once across all pages. Readings stored while the pages are read may be
   * missing, or duplicate one at the same instant.
   */
  readings(query: ReadingsQuery): Promise<ReadingsPage>;
}

export interface OpenedStore {
  readonly writer: StoreWriter;
  /** Undefined for a write-only store. */
  readonly history: StoreHistory | undefined;
}

/** The store was closed before the work was complete. Nothing is lost: the log still has the data. */
export class StoreClosedError extends Error {
  override readonly name = "StoreClosedError";
}

/** The store is write-only. Asking again does not help. */
export class NoHistoryError extends Error {
  override readonly name = "NoHistoryError";

  constructor(store: string) {
    super(`${store} is write-only, so it has no history to query`);
  }
}

/** A query took too long, or arrived while too many were running. Asking again later can help. */
export class StoreBusyError extends Error {
  override readonly name = "StoreBusyError";
}
