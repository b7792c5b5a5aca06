import type { Tags } from "./reading.ts";

export type AlertState = "inactive" | "pending" | "firing" | "resolved";
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The value of one of several series, for a condition over all of them. */
export interface EvidencePart {
  readonly name: string;
  readonly aggregate: string;
  readonly window: { readonly startUs: number; readonly endUs: number };
  readonly value: number | string;
}

/** Why an alert changed: enough to compute it again from the log. */
export interface AlertEvidence {
  readonly window: { readonly startUs: number; readonly endUs: number };
  readonly aggregate: string;
  readonly value: number | string;
  /** For a condition over several series: the window of each; the window above holds all of them. */
  readonly parts?: readonly EvidencePart[];
  /** The condition that was evaluated, as written in the rule: `> 8`; or `not in active time`. */
  readonly condition: string;
  readonly watermarkUs: number;
  /**
   * The log entry that made the window close, and the task that read it (`partition`: a partition of READINGS, or P + a
   * share of GROUPS). `stream` is READINGS where it is missing.
   */
  readonly input: {
    readonly stream?: "READINGS" | "GROUPS";
    readonly partition: number;
    readonly sequence: number;
  };
}

/** Incidents that suppress an alert's notifications while they fire: those of matching rules with equal values of these labels. */
export interface Inhibitor {
  /** A rule's id, or a glob with `*` and `?`. */
  readonly rule: string;
  readonly equal: readonly string[];
}

/** One step of an alert's life. An incident is the span from `pending` or `firing` to its end. */
export interface AlertChange {
  /** Deterministic: the same change has the same id in every replay. */
  readonly id: string;
  readonly incident: string;
  readonly rule: string;
  readonly severity: Severity;
  /** In a change from firing to firing that changes the severity: the one before. */
  readonly severityBefore?: Severity;
  /** The greatest severity that the incident has had, where it is greater than the present one. */
  readonly worstSeverity?: Severity;
  readonly from: AlertState;
  readonly state: AlertState;
  /** The group that the alert is about: `{ device, site }`. */
  readonly key: Tags;
  /** The group's labels and the rule's own. */
  readonly labels: Tags;
  readonly annotations: Readonly<Record<string, string>>;
  /** Event time of the change: the end of the window that caused it. */
  readonly atUs: number;
  /** Processing time: when the log received the entry that caused it. */
  readonly processedAtUs: number;
  /** Event time at which the condition first held. */
  readonly activeAtUs: number;
  readonly value: number | string;
  /**
   * The most extreme value of the incident so far, in the direction of the condition. Left out where there is none
   * (docs/windows.md), and in changes of older versions, like the next two.
   */
  readonly worst?: number;
  /** The incident's title: its summary, as it was when the alert fired. While it is pending: as it is now. */
  readonly title?: string;
  /** Event time at which the alert fired. Left out before. */
  readonly firedAtUs?: number;
  readonly notify: readonly string[];
  /** The alert flaps, so it keeps firing; left out when it does not flap. */
  readonly flapping?: true;
  /**
   * Why the alert ended, where its condition did not end it: its key was silent for too long, or its rule failed and
   * is skipped.
   */
  readonly reason?: "forgotten" | "quarantined";
  /** The rule runs in shadow mode: the change is stored but not notified. Left out otherwise; see `isMuted`. */
  readonly muted?: true;
  /** Left out when nothing suppresses the alert. */
  readonly inhibitedBy?: readonly Inhibitor[];
  readonly evidence: AlertEvidence;
}

/** Whether a change is not notified. Logs from before the field `muted` have a label instead. */
export function isMuted({ muted, labels }: Pick<AlertChange, "muted" | "labels">): boolean {
  return muted === true || labels.weir_muted === "true";
}

/** CloudEvents 1.0, JSON format. */
export interface AlertEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: "weir.alert.v1";
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: AlertChange;
}
