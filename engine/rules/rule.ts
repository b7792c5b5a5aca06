import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Calendar } from "../../rule-language/calendar/calendar.ts";
import type { WindowGrid } from "../../rule-language/calendar/window-grid.ts";
import type { Grouping } from "../../rule-language/spec/grouping.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import type { Selector } from "../../rule-language/spec/selector.ts";
import type { Template } from "../../rule-language/template/template.ts";
import type { AggregatePlan } from "../aggregates/state-groups.ts";
import type { EvaluateConditions } from "./conditions.ts";
import type { RuleLevels } from "./levels.ts";
import type { WorstValue } from "./worst-value.ts";

/** The readings and windows of a rule. Rules with inputs of the same identity share their windows. */
export interface InputSpec {
  readonly identity: string;
  readonly selector: Selector;
  /** Whether the rule reads a value (`valid`, `except`); undefined if it reads all. */
  readonly reads: ((value: number | string) => boolean) | undefined;
  /** Undefined: spikes are read like other values. */
  readonly hampel: RuleSpec["hampel"];
  readonly grouping: Grouping;
  readonly windows: WindowsSpec;
  /** The most windows that a key can keep at once. */
  readonly windowsPerKey: number;
  /** How far back observation times are remembered. */
  readonly horizonUs: number;
}

export type WindowsSpec =
  | { readonly kind: "absent"; readonly afterUs: number; readonly active: Calendar | undefined }
  | (WindowCommon & {
      readonly kind: "panes";
      readonly sizeUs: number;
      readonly everyUs: number;
    })
  | (WindowCommon & { readonly kind: "filled"; readonly sizeUs: number; readonly fillForUs: number })
  | (WindowCommon & { readonly kind: "sliding"; readonly sizeUs: number })
  | (WindowCommon & { readonly kind: "calendar"; readonly grid: WindowGrid })
  | (WindowCommon & { readonly kind: "session"; readonly gapUs: number })
  | (WindowCommon & { readonly kind: "count"; readonly count: number; readonly step: number | undefined });

export interface WindowCommon {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  readonly oneSeriesPerKey: boolean;
}

/** Several inputs whose windows are evaluated together, each time one of them ends. */
export interface JoinSpec {
  readonly identity: string;
  readonly grouping: Grouping;
  readonly names: readonly JoinedName[];
  /** The size of the longest window. */
  readonly sizeUs: number;
  /** How far behind the newest window another can still be corrected. */
  readonly retainedUs: number;
}

export interface JoinedName {
  readonly name: string;
  readonly input: InputSpec;
  readonly aggregate: Aggregate;
  readonly sizeUs: number;
  /** The time between the ends of two windows. */
  readonly everyUs: number;
  /** Its windows count as if they ended this much later. */
  readonly offsetUs: number;
}

/** The end, with its offset, of the newest window of a name that counts as ended at `endUs`. */
export function lastEndUs(endUs: number, { everyUs, offsetUs }: Pick<JoinedName, "everyUs" | "offsetUs">): number {
  return Math.floor((endUs - offsetUs) / everyUs) * everyUs + offsetUs;
}

/** An alert is flapping when it changes this often within this time. */
export interface Flapping {
  readonly changes: number;
  readonly withinUs: number;
}

/** A rule ready to run: durations in microseconds, patterns and conditions compiled. */
export interface Rule {
  readonly spec: RuleSpec;
  /** The most windows, or joined ends, that a key can keep at once. */
  readonly windowsPerKey: number;
  /** One input, or one for each name of `let`. */
  readonly inputs: readonly InputSpec[];
  readonly join: JoinSpec | undefined;
  readonly aggregates: readonly Aggregate[];
  /** Equal for rules with the same aggregates. */
  readonly aggregatesKey: string;
  /** The name of the value that the alert shows. */
  readonly valueName: string;
  readonly forUs: number;
  readonly keepFiringForUs: number;
  /** Whether windows that began before a key's first reading are not evaluated. */
  readonly skipsPartial: boolean;
  /** Undefined: it follows from the key's interval. */
  readonly maxGapUs: number | undefined;
  /** How long a key is kept without readings. */
  readonly forgetUs: number;
  /** Undefined for a rule without a condition, and for an absence rule. */
  readonly evaluate: EvaluateConditions | undefined;
  /** Undefined for a rule with one severity. */
  readonly levels: RuleLevels | undefined;
  readonly flapping: Flapping | undefined;
  /** Undefined: the condition has no direction. */
  readonly worst: WorstValue | undefined;
  /** Undefined: always active. */
  readonly active: Calendar | undefined;
  /** Texts for people, by name. */
  readonly annotations: readonly (readonly [string, Template])[];
}
