import type { Accumulators } from "../aggregates/accumulators.ts";
import type { AggregatePlan } from "../aggregates/state-groups.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** What became of a reading; a greater one outweighs a smaller when several windows took it. */
export const LATE_DROPPED = 0;
export const ON_TIME = 1;
export const LATE_APPLIED = 2;
export type Fate = typeof LATE_DROPPED | typeof ON_TIME | typeof LATE_APPLIED;

/** Late readings often come many at once: what they correct is told after this. */
export const CORRECTION_WAIT_US = 1_000_000;
/** Closed windows can be corrected until they ended this many sizes before the watermark. */
export const SIZES_RETAINED = 2;
/** In place of a record: the window was merged into another. */
export const RETRACTED = -1;

/**
 * Told of each window that closed, was corrected or was retracted. `record` is where its aggregates are, valid during
 * the call.
 */
export type OnWindow = (key: number, startUs: number, endUs: number, revision: number, record: number) => void;

export interface WindowOptions {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  /** Whether all readings of a key are of one series, so that none has the time of another. */
  readonly oneSeriesPerKey: boolean;
}

/** Something that follows the readings of many keys, and does things when they are due. */
export interface Keyed {
  /** The number of a new key: 0, 1, 2... */
  addKey(): number;
  /** Takes a reading in; what it shows to be over closes first. `text`: for a text, with any value. */
  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate;
  /** The processing time at which `advance` has something to do for the key; Infinity when never. */
  dueUs(key: number): number;
  /** Does what is due for the key at this instant. */
  advance(key: number, dueUs: number): void;
  /** Pauses now and then, so that others can do something; nothing may change meanwhile. */
  snapshot(to: SnapshotWriter): Iterable<undefined>;
  /** Only on a new one with the same options. */
  restore(from: SnapshotReader): void;
}

/** The windows of one kind over many keys, each key with its own event clock (docs/windows.md). */
export interface Windows extends Keyed {
  readonly accumulators: Accumulators;
  watermarkUs(key: number): number;
}
