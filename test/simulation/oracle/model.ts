import type { AlertState } from "../../../domain/alert.ts";
import type { Reading, ReadingValue, Tags } from "../../../domain/reading.ts";

/** What the oracle reads of a rule: plain data, as the log holds it. */
export interface OracleRule {
  readonly id: string;
  readonly where: Readonly<Record<string, string | readonly string[]>>;
  readonly group_by: readonly string[];
  readonly window?: WindowFields | undefined;
  readonly let?: Readonly<Record<string, NameFields>> | undefined;
  readonly aggregate: readonly string[];
  readonly when?: string | undefined;
  readonly clear?: string | undefined;
  readonly for?: string | undefined;
  readonly keep_firing_for?: string | undefined;
  readonly lateness?: string | undefined;
  readonly late?: string | undefined;
  readonly fill?: string | undefined;
  readonly absent?: string | undefined;
  readonly flapping?: { readonly changes: number; readonly within: string } | undefined;
  readonly active?: ActivePart | readonly ActivePart[] | undefined;
}

/** One of the series that a condition names. */
export interface NameFields {
  readonly metric?: string | readonly string[] | undefined;
  readonly where?: OracleRule["where"] | undefined;
  readonly window?: WindowFields | undefined;
  readonly aggregate: string;
  readonly fill?: string | undefined;
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
}

/** One entry of a partition's log, as it was stored. */
export type OracleEntry =
  | { readonly kind: "readings"; readonly storedAtUs: number; readonly readings: readonly Reading[] }
  | { readonly kind: "tick"; readonly storedAtUs: number }
  | { readonly kind: "rules"; readonly storedAtUs: number; readonly specs: readonly OracleRule[] };

/** What a rule says about one window. */
export interface Telling {
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
  readonly from: AlertState;
  readonly state: AlertState;
  readonly atUs: number;
  readonly activeAtUs: number;
  readonly value: number | string;
  readonly flapping?: true | undefined;
  /** Undefined where the document says nothing of it: ends by an edit, and absences. */
  readonly evidence?: Evidence | undefined;
}

export interface Evidence {
  /** Of it counts only whether it is `not in active time`. */
  readonly condition: string;
  readonly parts?: readonly PartValue[] | undefined;
}

/** What a name stood for. */
export interface PartValue {
  readonly name: string;
  readonly window: Span;
  readonly value: number | string;
}

/** What became of a device's readings. */
export interface DeviceLedger {
  readings: number;
  duplicates: number;
  lateDropped: number;
  lateApplied: number;
}

/** A reading that a key has taken. */
export interface Taken {
  readonly atUs: number;
  readonly value: ReadingValue;
  /** Counts up with arrival: tells readings of one instant apart. */
  readonly arrival: number;
  /** Windows that end here or earlier were closed to it. */
  readonly refusedUpToUs: number;
}

export interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** What a reading did to the windows of one key. */
export interface Fate {
  readonly late: boolean;
  /** A closed window is told anew because of it. */
  readonly corrected: boolean;
  /** Some window holds it. */
  readonly changed: boolean;
}

/** The windows of one key, whatever their kind. */
export interface KeyWindows {
  /** When something happens by itself; Infinity when nothing will. */
  dueUs(): number;
  /** Lets happen what is due at `dueUs()`. */
  happen(): void;
  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate;
}

/** `aggregatesOf` computes them by name: rules that share windows ask for different ones. */
export type Tell = (
  span: Span,
  revision: number,
  aggregatesOf: (names: readonly string[]) => Readonly<Record<string, ReadingValue>>,
) => void;
