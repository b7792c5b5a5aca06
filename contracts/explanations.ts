import type { AlertState, Severity } from "../domain/alert.ts";
import type { Tags } from "../domain/reading.ts";

/** Asked over the bus with `{ incident }`: how an incident came to be, from the log. Answered with a JSON object. */
export const EXPLAIN_INCIDENT = "explain.incident";
/** Asked with a WhyNotQuestion; answered with a WhyNotAnswer. */
export const EXPLAIN_WHY_NOT = "explain.whyNot";

/** Asked with anything; answered with RulesInForce. */
export const EXPLAIN_RULES = "explain.rules";

/** The rules that the processors want in force, as their files have them, and among how many partitions they work. */
export interface RulesInForce {
  readonly specs: readonly object[];
  readonly partitions: number;
}

export interface IncidentQuestion {
  readonly incident: string;
}

/** To `EXPLAIN_INCIDENT`. */
export interface IncidentExplanation {
  readonly incident: string;
  readonly rule: string;
  readonly key: Tags;
  readonly severity: Severity;
  /** Where it stands now. */
  readonly state: AlertState;
  /** The changes of the incident, oldest first, each with the window that decided it. */
  readonly steps: readonly ExplainedChange[];
  /** What could not be found out, and why. */
  readonly notes: readonly string[];
}

export interface ExplainedChange extends ExplainedWindow {
  readonly id: string;
  readonly from: AlertState;
  readonly state: AlertState;
  /** Event time, and the log's time of the entry that caused it. */
  readonly atUs: number;
  readonly processedAtUs: number;
  readonly condition: string;
  /** In words: `avg 260 > 250 holds`. */
  readonly predicate: string;
  readonly watermarkUs: number | null;
  readonly latenessUs: number | null;
  readonly input: { readonly stream: string; readonly partition: number; readonly sequence: number };
  /** For a condition over several series: each of them. What stands beside is then of all together. */
  readonly parts?: readonly (ExplainedWindow & { readonly name: string })[];
}

/** A window that decided a change, computed anew. */
export interface ExplainedWindow {
  readonly window: { readonly startUs: number; readonly endUs: number };
  readonly aggregate: string;
  readonly value: number | string;
  /** What made the window close. */
  readonly closedBy: "reading" | "idleness" | "silence" | "edit" | "unknown";
  /** The readings of the window as they were known then, by observation time; the first 1,000. */
  readonly readings: readonly ExplainedReading[];
  readonly readingsInAll: number;
  /** The aggregate over all of these readings, computed anew; null where it cannot be. */
  readonly recomputed: number | string | null;
  readonly agrees: boolean | null;
  readonly notes: readonly string[];
}

export interface ExplainedReading {
  readonly device: string;
  readonly metric: string;
  readonly atUs: number;
  readonly value: number | string;
  /** Where it stands in the log, and when it came. */
  readonly sequence: number;
  readonly storedAtUs: number;
}

/** To `EXPLAIN_WHY_NOT`. */
export interface WhyNotQuestion {
  readonly rule: string;
  /** Labels of the group: all that are needed to tell it. */
  readonly labels: Tags;
  /** The log's time; a time before the log begins is taken as event time. Default: now. */
  readonly atUs?: number;
}

export interface WhyNotAnswer {
  readonly rule: string;
  readonly labels: Tags;
  readonly atUs: number;
  /** One for each group that fits the labels. */
  readonly alerts: readonly WhyNotAlert[];
  /** Where no group fits: why. */
  readonly reasons: readonly Reason[];
}

export interface WhyNotAlert {
  readonly key: Tags;
  readonly state: AlertState;
  /** The parts of what must hold for it to fire, in order; the first that does not hold is why it does not. */
  readonly reasons: readonly Reason[];
}

export interface Reason {
  readonly part: "rule" | "series" | "readings" | "window" | "condition" | "for" | "clear" | "silence";
  readonly holds: boolean;
  readonly text: string;
}
