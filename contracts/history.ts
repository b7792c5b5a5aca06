/** Questions about the past, asked over the bus and answered by the storage service. */
export const HISTORY_SERIES = "history.series";
export const HISTORY_ALERTS = "history.alerts";
/** Asked with anything: from when to when there are readings. */
export const HISTORY_EXTENT = "history.extent";
/** Asked with a ReadingsQuery: raw readings in order of their time, page by page. */
export const HISTORY_READINGS = "history.readings";

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

/** `[fromUs, toUs)` in event time. */
export interface ReadingsExtent {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Asks for a page of all readings in `[fromUs, toUs)`. */
export interface ReadingsQuery extends ReadingsExtent {
  /** So many of the readings at `fromUs` itself were given already. */
  readonly skip: number;
  /** At most so many readings come back... */
  readonly limit: number;
  /** ...and about so many bytes of them. */
  readonly bytesMax: number;
}

/** Where the next page begins. */
export type NextPage = Pick<ReadingsQuery, "fromUs" | "skip">;

export interface ReadingsPage {
  /** A LogEntry of these readings, by their times; undefined when there are none. */
  readonly frame: Uint8Array | undefined;
  readonly count: number;
  /** Undefined: nothing more before `toUs`. */
  readonly next: NextPage | undefined;
}

/** A ReadingsPage on the bus. */
export interface ReadingsPageText {
  /** In base 64; empty when there are no readings. */
  readonly frame: string;
  readonly count: number;
  readonly next: NextPage | null;
}
