import type { Accumulators } from "../aggregates/accumulators.ts";
import type { AggregatePlan } from "../aggregates/state-groups.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** The fate of a reading. If it went to several windows, the highest value applies. */
export const LATE_DROPPED = 0;
export const ON_TIME = 1;
export const LATE_APPLIED = 2;
/** It says nothing about lateness: no windows read it. */
export const LEFT_OUT = -1;
export type Fate = typeof LEFT_OUT | typeof LATE_DROPPED | typeof ON_TIME | typeof LATE_APPLIED;

/** Late readings often come in bursts, so their corrections are delayed by this much and emitted together. */
export const CORRECTION_WAIT_US = 1_000_000;
/** A closed window can be corrected until the watermark is this many sizes past its end. */
export const SIZES_RETAINED = 2;
/** Takes the place of a record when the window no longer exists because it was merged into another. */
export const RETRACTED = -1;

/**
 * Called for each window that closed, was corrected or was retracted. `record` holds its aggregates and is valid only
 * during the call.
 */
export type OnWindow = (key: number, startUs: number, endUs: number, revision: number, record: number) => void;

export interface WindowOptions {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  /** Whether all readings of a key belong to one series, so that each has a different time. */
  readonly oneSeriesPerKey: boolean;
}

/** Processes the readings of many keys, and acts when something is due. */
export interface Keyed {
  /** Begins a key: the next number, or one that was freed. */
  addKey(key: number): void;
  /** Drops everything about a key. Emits nothing. */
  freeKey(key: number): void;
  /**
   * Closes the windows that the reading shows to be over, then adds it. Pass `text` for a text; `value` is then
   * ignored.
   */
  add(key: number, atUs: number, value: number, text: string | undefined, nowUs: number): Fate;
  /** The processing time at which `advance` has work for the key; Infinity if never. */
  dueUs(key: number): number;
  /** Does what is due for the key at this instant. Time passes until `nowUs`. */
  advance(key: number, dueUs: number, nowUs: number): void;
  /** Yields between parts, so that the caller can do other work. The state must not change in the meantime. */
  snapshot(to: SnapshotWriter): Iterable<undefined>;
  /** Only on a new object with the same options. */
  restore(from: SnapshotReader): void;
}

/** Windows of one kind over many keys. Each key has its own event clock (docs/windows.md). */
export interface Windows extends Keyed {
  readonly accumulators: Accumulators;
  watermarkUs(key: number): number;
}
