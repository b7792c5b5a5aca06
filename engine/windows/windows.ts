import type { Accumulators } from "../aggregates/accumulators.ts";
import type { AggregatePlan } from "../aggregates/state-groups.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** What happened to a reading. Where several windows got it, the greatest counts. */
export const LATE_DROPPED = 0;
export const ON_TIME = 1;
export const LATE_APPLIED = 2;
export type Fate = typeof LATE_DROPPED | typeof ON_TIME | typeof LATE_APPLIED;

/** Late readings often come in bursts, so their corrections are emitted this much later, together. */
export const CORRECTION_WAIT_US = 1_000_000;
/** Closed windows can be corrected until they ended this many sizes before the watermark. */
export const SIZES_RETAINED = 2;
/** In place of a record: the window no longer exists, because it was merged into another. */
export const RETRACTED = -1;

/**
 * Called for each window that closed, was corrected or was retracted. `record` holds its aggregates and is valid during
 * the call only.
 */
export type OnWindow = (key: number, startUs: number, endUs: number, revision: number, record: number) => void;

export interface WindowOptions {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  /** Whether all readings of a key belong to one series, so that no two have the same time. */
  readonly oneSeriesPerKey: boolean;
}

/** Follows the readings of many keys, and acts when something is due. */
export interface Keyed {
  /** The number of a new key: 0, 1, 2... */
  addKey(): number;
  /** Adds a reading, after closing the windows that it shows to be over. `text`: for a text, with any value. */
  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate;
  /** The processing time at which `advance` has something to do for the key; Infinity when it never has. */
  dueUs(key: number): number;
  /** Does what is due for the key at this instant. */
  advance(key: number, dueUs: number): void;
  /** Yields between parts, so that the caller can do something else; nothing may change meanwhile. */
  snapshot(to: SnapshotWriter): Iterable<undefined>;
  /** Only on a new object with the same options. */
  restore(from: SnapshotReader): void;
}

/** The windows of one kind over many keys, each key with its own event clock (docs/windows.md). */
export interface Windows extends Keyed {
  readonly accumulators: Accumulators;
  watermarkUs(key: number): number;
}
