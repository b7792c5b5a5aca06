import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import type { AlertState } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import type { Notification } from "../common/notification.ts";
import type { Inhibition } from "../inhibition/inhibitions.ts";
import type { Grouping, Route } from "../routes/route.ts";

/** A notification, from when it is due until its outcome is known. */
export interface InFlight {
  readonly notification: Notification;
  /** `repeat`: its alerts were already notified and still fire. */
  readonly kind: "change" | "repeat";
  /** The key of its group. */
  readonly group: string;
  readonly startedAtUs: number;
  attempts: number;
  error: string | undefined;
}

/** A notification in flight as the log stores it. Its changes are in the alerts stream. */
export interface InFlightRecord {
  readonly id: string;
  readonly kind: "change" | "repeat";
  readonly group: string;
  readonly labels: Tags;
  readonly grouped: boolean;
  readonly repeat: number;
  readonly changes: readonly { readonly alert: string; readonly sequence: number }[];
  readonly startedAtUs: number;
  readonly attempts: number;
}

/** The last notification of an alert. */
export interface Notified {
  readonly incident: string;
  readonly state: AlertState;
  /** Whether the target accepted it. A notification that was given up may still have arrived. */
  readonly delivered: boolean;
  readonly atUs: number;
  readonly repeats: number;
}

/** The stored state of an alert. */
export interface AlertRecord {
  /** Changes up to this sequence are decided. */
  readonly decided: number;
  readonly notified: Notified | undefined;
  /** The newest decisions, oldest first. */
  readonly deliveries: readonly Delivery[];
}

/** An alert in the queue of one target. */
export interface QueuedAlert {
  readonly name: string;
  /** Changes without a decision, in order. */
  readonly waiting: LoggedChange[];
  /** The change since which the alert fires; undefined while it does not fire. */
  firing: LoggedChange | undefined;
  /** Sequence of the newest added change. */
  newest: number;
  /** Changes up to this sequence are decided. */
  decided: number;
  notified: Notified | undefined;
  deliveries: readonly Delivery[];
  group: Group;
  /** Its oldest change waits for a possible cause and is not evaluated in this span. */
  pausedFromUs: number;
  pausedUntilUs: number;
}

/** Alerts that share notifications. At most one of these is in flight, so that none overtakes another. */
export interface Group {
  readonly key: string;
  readonly labels: Tags;
  readonly grouping: Grouping;
  readonly alerts: Set<QueuedAlert>;
  /** A notification of the group is in flight. */
  busy: boolean;
  notifiedAtUs: number | undefined;
}

export interface QueueOptions {
  /** The target: `ops.webhook`. */
  readonly receiver: string;
  readonly route: Route;
  readonly collapse: boolean;
  readonly maxAgeUs: number;
  /** False for Alertmanager, which repeats notifications itself. */
  readonly repeats: boolean;
  readonly waitingMax: number;
  readonly isSilenced: (logged: LoggedChange, nowUs: number) => boolean;
  /** `endedAtUs`: when the change's incident ended, if it has. */
  readonly inhibition: (logged: LoggedChange, nowUs: number, endedAtUs?: number) => Inhibition;
  readonly isAcknowledged: (logged: LoggedChange) => boolean;
  readonly onDecided: (outcome: DeliveryOutcome, logged: LoggedChange) => void;
}

/**
 * After a restart: the notification had arrived, is in flight again, or has lost its alerts because the log no longer
 * holds them.
 */
export type Resumed =
  | { readonly kind: "arrived" }
  | { readonly kind: "lost" }
  | { readonly kind: "in-flight"; readonly inFlight: InFlight };
