import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Calendar } from "../../rule-language/calendar/calendar.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import type { Selector } from "../../rule-language/spec/selector.ts";
import type { Template } from "../../rule-language/template/template.ts";
import type { AggregatePlan } from "../aggregates/state-groups.ts";
import type { EvaluateConditions } from "./conditions.ts";

/** What a rule reads. Rules with inputs of the same identity share their windows. */
export interface InputSpec {
  readonly identity: string;
  readonly selector: Selector;
  readonly groupBy: readonly string[];
  readonly windows: WindowsSpec;
  /** How far back the times of readings must be remembered. */
  readonly horizonUs: number;
}

export type WindowsSpec =
  | { readonly kind: "absent"; readonly afterUs: number; readonly active: Calendar | undefined }
  | (WindowCommon & {
      readonly kind: "panes";
      readonly sizeUs: number;
      readonly everyUs: number;
      readonly fill: boolean;
    })
  | (WindowCommon & { readonly kind: "sliding"; readonly sizeUs: number })
  | (WindowCommon & { readonly kind: "session"; readonly gapUs: number })
  | (WindowCommon & { readonly kind: "count"; readonly count: number });

export interface WindowCommon {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  readonly oneSeriesPerKey: boolean;
}

/** Several inputs whose windows are evaluated together, at the instants at which they end. */
export interface JoinSpec {
  readonly identity: string;
  readonly groupBy: readonly string[];
  readonly names: readonly JoinedName[];
  /** Of the longest window. */
  readonly sizeUs: number;
  /** How far behind the newest a window can still be corrected. */
  readonly retainedUs: number;
}

export interface JoinedName {
  readonly name: string;
  readonly input: InputSpec;
  readonly aggregate: Aggregate;
  readonly sizeUs: number;
  /** A window ends this often. */
  readonly everyUs: number;
}

/** The end of the newest window that has ended by `endUs`, of windows that end every `everyUs`. */
export function lastEndUs(endUs: number, everyUs: number): number {
  return Math.floor(endUs / everyUs) * everyUs;
}

/** This many changes within that time make one alert that is flapping. */
export interface Flapping {
  readonly changes: number;
  readonly withinUs: number;
}

/** A rule ready to run: durations in microseconds, patterns and conditions compiled. */
export interface Rule {
  readonly spec: RuleSpec;
  /** One input, or one for each name of `let`. */
  readonly inputs: readonly InputSpec[];
  readonly join: JoinSpec | undefined;
  readonly aggregates: readonly Aggregate[];
  /** Equal for rules that emit the same aggregates. */
  readonly aggregatesKey: string;
  /** The name of the value that an alert shows as its own. */
  readonly valueName: string;
  readonly forUs: number;
  readonly keepFiringForUs: number;
  /** Undefined for a rule without a condition, and for one about absence. */
  readonly evaluate: EvaluateConditions | undefined;
  readonly flapping: Flapping | undefined;
  /** Undefined: always active. */
  readonly active: Calendar | undefined;
  /** Texts for people, by name. */
  readonly annotations: readonly (readonly [string, Template])[];
}
