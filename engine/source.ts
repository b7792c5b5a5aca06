import type { Series, Tags } from "../domain/reading.ts";
import type { Input } from "./input.ts";
import type { Absences } from "./windows/absences.ts";

/** What a rule is told by: windows, or silences, by key. */
export interface Source {
  /** Sources of equal identity tell the same. */
  readonly identity: string;
  readonly groupBy: readonly string[];
  readonly keyCount: number;
  readonly absences: Absences | undefined;
  /** Whether readings of the series can change what it tells. */
  takes(series: Series): boolean;
  labels(key: number): Tags;
  /** The key of a group; a new one, which gets a timer if it needs one, when there is none. */
  keyFor(labels: Tags, newTimer: (input: Input, key: number) => number): number;
  keys(): Iterable<readonly [number, Tags]>;
  /** Up to where it has told all that it knows; NaN where windows do not close. */
  watermarkUs(key: number): number;
}
