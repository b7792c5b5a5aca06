import type { AlertChange, AlertState, Severity } from "../domain/alert.ts";
import type { Tags } from "../domain/reading.ts";

/** Questions and orders about alerts and who is told of them, sent over the bus and answered by the notifier. */
export const ALERTS_LIST = "notifications.alerts";
export const ALERTS_ACKNOWLEDGE = "notifications.acknowledge";
export const DELIVERIES_LIST = "notifications.deliveries";
export const SILENCES_LIST = "notifications.silences";
export const SILENCES_ADD = "notifications.silences.add";
export const SILENCES_REMOVE = "notifications.silences.remove";

/**
 * What an alert must have, by label: the group's and the rule's labels, and `rule`, `severity` and `incident`. A value is
 * exact, a glob with `*` and `?`, or a list of these; all names must fit.
 */
export type Matchers = Readonly<Record<string, string | readonly string[]>>;

/** Alerts that fit are not told while it lasts: `[fromUs, untilUs)`. */
export interface Silence {
  readonly id: string;
  readonly matchers: Matchers;
  readonly fromUs: number;
  readonly untilUs: number;
  readonly by: string;
  readonly why: string;
  readonly createdAtUs: number;
}

/** To `SILENCES_ADD`; answered with the Silence. Begins now when `fromUs` is left out. */
export interface NewSilence {
  readonly matchers: Matchers;
  readonly fromUs?: number;
  readonly untilUs: number;
  readonly by: string;
  readonly why: string;
}

/** To `SILENCES_REMOVE`; answered with the Silence that ended. */
export interface SilenceRemoval {
  readonly id: string;
  readonly by: string;
}

/** Somebody has taken an incident on: it is not repeated any more. Its end is still told. */
export interface Acknowledgement {
  readonly incident: string;
  readonly by: string;
  readonly note: string;
  readonly atUs: number;
}

/** To `ALERTS_ACKNOWLEDGE`; answered with the Acknowledgement. */
export interface NewAcknowledgement {
  readonly incident: string;
  readonly by: string;
  readonly note?: string;
}

/** Of `ALERTS_LIST`: an incident that is pending or firing. */
export interface OpenAlert {
  readonly incident: string;
  readonly rule: string;
  readonly severity: Severity;
  readonly state: AlertState;
  readonly key: Tags;
  readonly labels: Tags;
  readonly annotations: AlertChange["annotations"];
  readonly value: AlertChange["value"];
  readonly activeAtUs: number;
  readonly atUs: number;
  readonly acknowledgement?: Acknowledgement;
  /** Ids of the silences that hold it now. */
  readonly silencedBy: readonly string[];
  /** Incidents of other rules that hold it now (`inhibited_by`), ten at most. */
  readonly inhibitedBy: readonly string[];
}

/** To `ALERTS_LIST`; answered with OpenAlert[], longest open first. */
export interface OpenAlertsQuery {
  readonly matchers?: Matchers;
  /** 1 to 5,000. */
  readonly limit: number;
}

/**
 * delivered: the receiver took it. failed: given up, a dead letter. silenced, inhibited, muted: not to be told. skipped:
 * too old, and over. collapsed: began and ended before it was sent. waiting, sending: not decided yet.
 */
export type DeliveryOutcome =
  | "waiting"
  | "sending"
  | "delivered"
  | "failed"
  | "silenced"
  | "inhibited"
  | "muted"
  | "skipped"
  | "collapsed";

/** What became of one alert change at one target of a receiver. */
export interface Delivery {
  /** `ops.webhook` */
  readonly receiver: string;
  readonly incident: string;
  /** The change's id. */
  readonly change: string;
  readonly state: AlertState;
  readonly outcome: DeliveryOutcome;
  /** Tries, all repeats counted. */
  readonly attempts: number;
  /** How often it was told again while it went on. */
  readonly repeats: number;
  readonly error?: string;
  /** The incidents that kept it from being told, or from being told at once. */
  readonly inhibitedBy?: readonly string[];
  /** The message that told it: its `webhook-id`. */
  readonly notification?: string;
  readonly atUs: number;
}

/** To `DELIVERIES_LIST`; answered with Delivery[], oldest first. */
export interface DeliveriesQuery {
  readonly incident: string;
}

/** Where Weir's own broker listens; answered by the edge with an OwnBroker. */
export const OWN_BROKER = "broker.address";

export interface OwnBroker {
  readonly host: string;
  readonly port: number;
  /** What clients with such an id publish goes to subscribers only, and is not taken for readings. */
  readonly clientIdPrefix: string;
}
