import type { Tags } from "../../domain/reading.ts";
import type { LoggedChange } from "./logged-change.ts";

/** One message to one target: the change of one alert, or the changes of a group. */
export interface Notification {
  /** The same for all attempts and across restarts, so that receivers can recognize a duplicate. */
  readonly id: string;
  /** The target: `ops.webhook`. */
  readonly receiver: string;
  /** 0 the first time; n for the nth repeat, sent because the alerts still fire. */
  readonly repeat: number;
  /** Whether the alerts are grouped because they share `labels`. */
  readonly grouped: boolean;
  readonly labels: Tags;
  readonly changes: readonly LoggedChange[];
}
