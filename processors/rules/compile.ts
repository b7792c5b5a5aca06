import { parseDurationUs } from "../../domain/time.ts";
import { type Aggregate, parseAggregate, takesTexts } from "../step/aggregates/aggregate.ts";
import { type AggregatePlan, planOf } from "../step/aggregates/plan.ts";
import { type Condition, parseCondition } from "./condition.ts";
import type { RuleSpec } from "./rule-spec.ts";
import { compileSelector, type Selector } from "./selector.ts";

/** What a rule looks at. Rules of the same identity share its windows. */
export interface InputSpec {
  readonly identity: string;
  readonly selector: Selector;
  readonly groupBy: readonly string[];
  readonly windows: WindowsSpec;
  /** How far back the times of readings must be remembered. */
  readonly horizonUs: number;
}

export type WindowsSpec =
  | { readonly kind: "absent"; readonly afterUs: number }
  | (WindowCommon & {
      readonly kind: "panes";
      readonly sizeUs: number;
      readonly everyUs: number;
      readonly fill: boolean;
    })
  | (WindowCommon & { readonly kind: "sliding"; readonly sizeUs: number })
  | (WindowCommon & { readonly kind: "session"; readonly gapUs: number })
  | (WindowCommon & { readonly kind: "count"; readonly count: number });

interface WindowCommon {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  readonly oneSeriesPerKey: boolean;
}

/** A rule ready to run: durations in microseconds, patterns and conditions compiled. */
export interface Rule {
  readonly spec: RuleSpec;
  readonly input: InputSpec;
  readonly aggregates: readonly Aggregate[];
  /** Equal for rules that tell the same aggregates. */
  readonly aggregatesKey: string;
  readonly forUs: number;
  readonly keepFiringForUs: number;
  readonly when: Condition | undefined;
  /** Undefined: the alert ends when `when` does not hold. */
  readonly clear: Condition | undefined;
}

/** A rule that begins later should know repeated readings from before it. */
const HORIZON_US_MIN = 60_000_000;
/** Windows are open or retained, and corrected ones look back by one more. */
const SIZES_REMEMBERED = 3;

/** The spec must have been checked against `ruleSpecSchema`. */
export function compileRule(spec: RuleSpec): Rule {
  const aggregates = spec.absent === undefined ? spec.aggregate.map(unchecked(parseAggregate)) : [];
  const windows = compileWindows(spec, aggregates);
  const onlyNumbers = spec.absent === undefined && !aggregates.every(takesTexts);
  const shape = spec.absent ?? [spec.window, spec.lateness, spec.late, spec.fill, onlyNumbers];
  const plan = windows.kind === "absent" ? "" : windows.plan.identity;
  return {
    spec,
    input: {
      identity: JSON.stringify([spec.where, spec.group_by, shape, plan]),
      selector: compileSelector(spec.where, { onlyNumbers }),
      groupBy: spec.group_by,
      windows,
      horizonUs: Math.max(HORIZON_US_MIN, horizonOf(windows)),
    },
    aggregates,
    aggregatesKey: JSON.stringify(spec.aggregate),
    forUs: us(spec.for),
    keepFiringForUs: us(spec.keep_firing_for),
    when: spec.when === undefined ? undefined : unchecked(parseCondition)(spec.when),
    clear: spec.clear === undefined ? undefined : unchecked(parseCondition)(spec.clear),
  };
}

function compileWindows(spec: RuleSpec, aggregates: readonly Aggregate[]): WindowsSpec {
  if (spec.absent !== undefined) return { kind: "absent", afterUs: us(spec.absent) };
  const fill = spec.fill === "last";
  const common: WindowCommon = {
    latenessUs: us(spec.lateness),
    late: spec.late,
    plan: planOf(aggregates, fill),
    oneSeriesPerKey: spec.group_by.includes("device") && spec.group_by.includes("metric"),
  };
  const { tumbling, hopping, every, sliding, session, count } = spec.window ?? {};
  if (tumbling !== undefined) return { ...common, kind: "panes", sizeUs: us(tumbling), everyUs: us(tumbling), fill };
  if (hopping !== undefined) return { ...common, kind: "panes", sizeUs: us(hopping), everyUs: us(every ?? ""), fill };
  if (sliding !== undefined) return { ...common, kind: "sliding", sizeUs: us(sliding) };
  if (session !== undefined) return { ...common, kind: "session", gapUs: us(session) };
  if (count !== undefined) return { ...common, kind: "count", count };
  throw new TypeError(`unchecked rule: ${spec.id} has no window`);
}

function horizonOf(windows: WindowsSpec): number {
  switch (windows.kind) {
    case "absent":
      return 0;
    case "count":
      return windows.latenessUs;
    case "session":
      return windows.latenessUs + SIZES_REMEMBERED * windows.gapUs;
    default:
      return windows.latenessUs + SIZES_REMEMBERED * windows.sizeUs;
  }
}

function us(text: string): number {
  const parsed = parseDurationUs(text);
  if (parsed === undefined) throw new TypeError(`unchecked rule: "${text}" is no duration`);
  return parsed;
}

function unchecked<T extends object>(parse: (text: string) => T | string): (text: string) => T {
  return (text) => {
    const parsed = parse(text);
    if (typeof parsed === "string") throw new TypeError(`unchecked rule: ${parsed}`);
    return parsed;
  };
}
