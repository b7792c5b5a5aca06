import type { Series, Tags } from "../../domain/reading.ts";
import type { Grouping } from "../../rule-language/spec/grouping.ts";
import type { AlertSource } from "../alerts/rule-alerts.ts";
import type { Absences } from "../windows/absences.ts";

/** The source of a rule's windows or silences: an input, or a join of several. */
export interface Source extends AlertSource {
  /** Sources with equal identities emit the same results. */
  readonly identity: string;
  readonly grouping: Grouping;
  readonly absences: Absences | undefined;
  forgetUs: number;
  /** Whether readings of the series can change the output. */
  takes(series: Series): boolean;
  /**
   * The key of a group; adds one if the group is new. `heardUs`: the key goes on from another source, where its newest
   * reading arrived then. NO_ROOM if the group is new and there are too many.
   */
  keyFor(labels: Tags, heardUs?: number): number;
  /** The processing time of the key's newest reading. */
  heardUs(key: number): number;
  keys(): Iterable<readonly [number, Tags]>;
}
