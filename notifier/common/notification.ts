import type { Tags } from "../../domain/reading.ts";
import type { LoggedChange } from "./logged-change.ts";

/** One message to one target: the change of an alert, or the changes of a group. */
export interface Notification {
  /** Stays the same over tries and restarts, so that receivers can recognize a duplicate. */
  readonly id: string;
  /** The target: `ops.webhook`. */
  readonly receiver: string;
  /** 0 the first time; n when it is sent for the nth time again because the alerts still fire. */
  readonly repeat: number;
  /** Whether the alerts are together because they share `labels`. */
  readonly grouped: boolean;
  readonly labels: Tags;
  readonly changes: readonly LoggedChange[];
}
