import type { Series, Tags } from "../../domain/reading.ts";
import type { AlertSource } from "../alerts/rule-alerts.ts";
import type { Absences } from "../windows/absences.ts";

/** Where a rule's windows, or silences, come from: an input, or a join of several. */
export interface Source extends AlertSource {
  /** Sources of equal identity emit the same. */
  readonly identity: string;
  readonly groupBy: readonly string[];
  readonly absences: Absences | undefined;
  /** Whether readings of the series can change what it emits. */
  takes(series: Series): boolean;
  /** The key of a group; a new one when the group has none. */
  keyFor(labels: Tags): number;
  keys(): Iterable<readonly [number, Tags]>;
}
