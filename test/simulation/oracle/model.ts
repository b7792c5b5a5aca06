import type { AlertState, Severity } from "../../../domain/alert.ts";
import type { Device, Reading, ReadingValue, Tags } from "../../../domain/reading.ts";

/** The fields of a rule that the oracle reads, as plain data from the log. */
export interface OracleRule {
  readonly id: string;
  readonly where: Readonly<Record<string, string | readonly string[]>>;
  readonly group_by: "series" | readonly string[];
  /** It is one of the names of `let`. */
  readonly isNamed?: true;
  readonly window?: WindowFields | undefined;
  readonly let?: Readonly<Record<string, NameFields>> | undefined;
  readonly aggregate: readonly string[];
  readonly when?: string | undefined;
  readonly levels?: LevelFields | undefined;
  readonly clear?: string | undefined;
  readonly for?: string | undefined;
  readonly keep_firing_for?: string | undefined;
  readonly max_gap?: string | undefined;
  readonly partial?: string | undefined;
  readonly lateness?: string | undefined;
  readonly late?: string | undefined;
  readonly fill?: string | undefined;
  readonly fill_for?: string | undefined;
  readonly carry?: string | undefined;
  readonly max_value?: number | undefined;
  readonly valid?: string | undefined;
  readonly hampel?: { readonly sigmas: number; readonly at_least: number } | undefined;
  readonly except?: readonly ReadingValue[] | undefined;
  readonly severity?: Severity | undefined;
  readonly absent?: string | undefined;
  readonly forget_after?: string | undefined;
  readonly flapping?: { readonly changes: number; readonly within: string } | undefined;
  readonly active?: ActivePart | readonly ActivePart[] | undefined;
}

/** Conditions by severity. */
export type LevelFields = Readonly<
  Partial<Record<Severity, string | { readonly when: string; readonly clear?: string | undefined } | undefined>>
>;

/** A named series of a condition. */
export interface NameFields {
  readonly metric?: string | readonly string[] | undefined;
  readonly where?: OracleRule["where"] | undefined;
  readonly window?: WindowFields | undefined;
  readonly aggregate: string;
  readonly offset?: string | undefined;
  readonly fill?: string | undefined;
  readonly carry?: string | undefined;
  readonly max_value?: number | undefined;
  readonly valid?: string | undefined;
  readonly hampel?: { readonly sigmas: number; readonly at_least: number } | undefined;
  readonly except?: readonly ReadingValue[] | undefined;
}

export interface ActivePart {
  readonly days?: readonly string[] | undefined;
  readonly hours?: readonly string[] | undefined;
  readonly zone?: string | undefined;
  readonly except?: readonly string[] | undefined;
}

export interface WindowFields {
  readonly tumbling?: string | undefined;
  readonly hopping?: string | undefined;
  readonly every?: string | undefined;
  readonly sliding?: string | undefined;
  readonly session?: string | undefined;
  readonly count?: number | undefined;
  readonly step?: number | undefined;
  readonly calendar?: "day" | "week" | "month" | undefined;
  readonly shifts?: readonly string[] | undefined;
  readonly zone?: string | undefined;
  readonly offset?: string | undefined;
  readonly starts?: string | undefined;
}

export interface StoredReading extends Reading {
  /** In the groups log: by how much it was observed after the readings log stored it. */
  readonly aheadUs?: number;
}

/** An entry of a partition's log, as stored. */
export type OracleEntry =
  | { readonly kind: "readings"; readonly storedAtUs: number; readonly readings: readonly StoredReading[] }
  | { readonly kind: "tick"; readonly storedAtUs: number }
  | { readonly kind: "gone"; readonly storedAtUs: number; readonly devices: readonly Device[] }
  | { readonly kind: "rules"; readonly storedAtUs: number; readonly specs: readonly OracleRule[] };

/** A result of a window of a rule. */
export interface OracleResult {
  readonly rule: string;
  readonly labels: Tags;
  readonly startUs: number;
  readonly endUs: number;
  readonly revision: number;
  readonly aggregates: Readonly<Record<string, ReadingValue>>;
}

export interface Change {
  readonly rule: string;
  readonly key: Tags;
  readonly severity: Severity;
  readonly severityBefore?: Severity | undefined;
  readonly worstSeverity?: Severity | undefined;
  readonly from: AlertState;
  readonly state: AlertState;
  readonly atUs: number;
  readonly activeAtUs: number;
  readonly value: number | string;
  readonly flapping?: true | undefined;
  readonly firedAtUs?: number | undefined;
  /** The most extreme value of the incident so far; undefined where there is none. */
  readonly worst?: number | undefined;
  readonly reason?: "forgotten" | "quarantined" | undefined;
  /** Undefined where docs/windows.md does not define it: for absences, and ends by an edit. */
  readonly evidence?: Evidence | undefined;
}

export interface Evidence {
  /** Compared only with `not in active time`. */
  readonly condition: string;
  readonly parts?: readonly PartValue[] | undefined;
}

/** The window and value of a name. */
export interface PartValue {
  readonly name: string;
  readonly window: Span;
  readonly value: number | string;
}

/** Counts of what happened to a device's readings. */
export interface DeviceLedger {
  readings: number;
  duplicates: number;
  lateDropped: number;
  lateApplied: number;
}

/** A reading accepted for a key. */
export interface Taken {
  readonly atUs: number;
  readonly value: ReadingValue;
  /** Increases with each arrival, to order readings of one instant. */
  readonly arrival: number;
  /** Windows that end by this time did not accept it. */
  readonly refusedUpToUs: number;
}

export interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** How a rule reads the course of values. */
export interface CourseRules {
  /** Whether some aggregate depends on it. */
  readonly matters: boolean;
  readonly carryUs: number;
  readonly counterMax: number | undefined;
}

/** The effect of a reading on the windows of one key. */
export interface Fate {
  readonly late: boolean;
  /** It corrects a closed window. */
  readonly corrected: boolean;
  /** Some window contains it. */
  readonly changed: boolean;
}

/** The windows of one key, of any kind. */
export interface KeyWindows {
  /** When something is due if no reading arrives; Infinity if nothing is. */
  dueUs(): number;
  /** Does what is due at `dueUs()`. */
  happen(): void;
  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate;
}

/**
 * `aggregatesOf` computes aggregates by name, because rules that share windows need different ones. `provisional`:
 * idleness emitted the window first, and its alert evaluates it again.
 */
export type Emit = (
  span: Span,
  revision: number,
  aggregatesOf: (names: readonly string[]) => Readonly<Record<string, ReadingValue>>,
  provisional?: boolean,
) => void;
