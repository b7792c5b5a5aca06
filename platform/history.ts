/** Questions about the past, asked over the bus and answered by the storage service. */
export const HISTORY_SERIES = "history.series";
export const HISTORY_ALERTS = "history.alerts";

export interface SeriesQuery {
  readonly device: string;
  readonly metric: string;
  /** `[fromUs, toUs)` in event time. */
  readonly fromUs: number;
  readonly toUs: number;
  /** At most this many buckets come back (1 to 5,000). */
  readonly pointsMax: number;
}

/** Raw readings in equal buckets of time; empty buckets are left out. Arrays of one length, oldest first. */
export interface SeriesAnswer {
  readonly atUs: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly avg: readonly number[];
  readonly count: readonly number[];
}

export interface AlertsQuery {
  readonly fromUs: number;
  readonly toUs: number;
  /** Newest first, at most this many alert changes (1 to 10,000). */
  readonly limit: number;
}
