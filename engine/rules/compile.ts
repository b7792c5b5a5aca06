import { parseDurationUs } from "../../domain/time.ts";
import { type Aggregate, parseAggregate, takesTexts } from "../../rule-language/aggregates/aggregate.ts";
import { Calendar } from "../../rule-language/calendar/calendar.ts";
import type { LetSpec } from "../../rule-language/spec/let-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { compileSelector, type Selector } from "../../rule-language/spec/selector.ts";
import { parseTemplate, type Template } from "../../rule-language/template/template.ts";
import { type AggregatePlan, planOf } from "../aggregates/plan.ts";
import type { Flapping } from "../alerts/flaps.ts";
import { type Judge, judgeOf } from "./judge.ts";

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

interface WindowCommon {
  readonly latenessUs: number;
  readonly late: "update" | "drop";
  readonly plan: AggregatePlan;
  readonly oneSeriesPerKey: boolean;
}

/** Several inputs whose windows are looked at together, where they end. */
export interface JoinSpec {
  readonly identity: string;
  readonly groupBy: readonly string[];
  readonly names: readonly JoinedName[];
  /** Of the longest window. */
  readonly sizeUs: number;
  /** How far behind the newest a window may still be corrected. */
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

/** A rule ready to run: durations in microseconds, patterns and conditions compiled. */
export interface Rule {
  readonly spec: RuleSpec;
  /** What it reads: one input, or one for each name of `let`. */
  readonly inputs: readonly InputSpec[];
  readonly join: JoinSpec | undefined;
  readonly aggregates: readonly Aggregate[];
  /** Equal for rules that tell the same aggregates. */
  readonly aggregatesKey: string;
  /** Of what it is told: that which stands for the alert's value. */
  readonly valueName: string;
  readonly forUs: number;
  readonly keepFiringForUs: number;
  /** Undefined for a rule without a condition, and for one about absence. */
  readonly judge: Judge | undefined;
  readonly flapping: Flapping | undefined;
  /** Undefined: always. */
  readonly active: Calendar | undefined;
  /** Texts for people, by name. */
  readonly annotations: readonly (readonly [string, Template])[];
}

/** A rule that begins later should know repeated readings from before it. */
const HORIZON_US_MIN = 60_000_000;
/** Windows are open or retained, and corrected ones look back by one more. */
const SIZES_REMEMBERED = 3;

/** Fields that rule sets in older logs lack. */
const ADDED_LATER: Pick<RuleSpec, "inhibited_by"> = { inhibited_by: [] };

/** The spec must have been checked against `ruleSpecSchema`, by this version or an earlier one. */
export function compileRule(checked: RuleSpec): Rule {
  const spec = { ...ADDED_LATER, ...checked };
  const join = spec.let === undefined ? undefined : compileJoin(spec, spec.let);
  const isOne = spec.absent === undefined && join === undefined;
  const aggregates = isOne ? spec.aggregate.map(unchecked(parseAggregate)) : [];
  return {
    spec,
    inputs: join?.names.map(({ input }) => input) ?? [compileInput(spec, aggregates)],
    join,
    aggregates,
    aggregatesKey: JSON.stringify(spec.aggregate),
    valueName: join?.names[0]?.name ?? spec.aggregate[0] ?? "",
    forUs: us(spec.for),
    keepFiringForUs: us(spec.keep_firing_for),
    judge: judgeOf(spec, aggregates),
    flapping: spec.flapping && { changes: spec.flapping.changes, withinUs: us(spec.flapping.within) },
    active: spec.active && new Calendar(spec.active),
    annotations: Object.entries(spec.annotations).map(([name, text]) => [name, parseTemplate(text)] as const),
  };
}

type InputFields = Pick<RuleSpec, "where" | "group_by" | "window" | "absent" | "active" | "lateness" | "late" | "fill">;

function compileInput(fields: InputFields, aggregates: readonly Aggregate[]): InputSpec {
  const { where, group_by, absent } = fields;
  const windows = compileWindows(fields, aggregates);
  const onlyNumbers = absent === undefined && !aggregates.every(takesTexts);
  // When a silence counts is part of what is measured; conditions are looked at behind the windows.
  const silence = fields.active === undefined ? absent : [absent, fields.active];
  const shape =
    absent === undefined ? [fields.window, fields.lateness, fields.late, fields.fill, onlyNumbers] : silence;
  const plan = windows.kind === "absent" ? "" : windows.plan.identity;
  return {
    identity: JSON.stringify([where, group_by, shape, plan]),
    selector: compileSelector(where, { onlyNumbers }),
    groupBy: group_by,
    windows,
    horizonUs: Math.max(HORIZON_US_MIN, horizonOf(windows)),
  };
}

function compileJoin(spec: RuleSpec, lets: LetSpec): JoinSpec {
  const names = Object.entries(lets).map(([name, own]): JoinedName => {
    const where = { ...spec.where, ...(own.metric !== undefined && { metric: own.metric }), ...own.where };
    const aggregate = unchecked(parseAggregate)(own.aggregate);
    const input = compileInput({ ...spec, ...own, where, window: own.window ?? spec.window }, [aggregate]);
    if (input.windows.kind !== "panes") throw new TypeError(`unchecked rule: the windows of ${name} do not tile`);
    const { everyUs, sizeUs } = input.windows;
    return { name, input, aggregate, sizeUs, everyUs };
  });
  const sizeUs = Math.max(...names.map((name) => name.sizeUs));
  return {
    identity: JSON.stringify(names.map(({ name, input, aggregate }) => [name, aggregate.name, input.identity])),
    groupBy: spec.group_by,
    names,
    sizeUs,
    retainedUs: (SIZES_REMEMBERED + 1) * sizeUs + us(spec.lateness),
  };
}

function compileWindows(fields: InputFields, aggregates: readonly Aggregate[]): WindowsSpec {
  if (fields.absent !== undefined)
    return { kind: "absent", afterUs: us(fields.absent), active: fields.active && new Calendar(fields.active) };
  const fill = fields.fill === "last";
  const common: WindowCommon = {
    latenessUs: us(fields.lateness),
    late: fields.late,
    plan: planOf(aggregates, fill),
    oneSeriesPerKey: fields.group_by.includes("device") && fields.group_by.includes("metric"),
  };
  const { tumbling, hopping, every, sliding, session, count } = fields.window ?? {};
  if (tumbling !== undefined) return { ...common, kind: "panes", sizeUs: us(tumbling), everyUs: us(tumbling), fill };
  if (hopping !== undefined) return { ...common, kind: "panes", sizeUs: us(hopping), everyUs: us(every ?? ""), fill };
  if (sliding !== undefined) return { ...common, kind: "sliding", sizeUs: us(sliding) };
  if (session !== undefined) return { ...common, kind: "session", gapUs: us(session) };
  if (count !== undefined) return { ...common, kind: "count", count };
  throw new TypeError("unchecked rule: it has no window");
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
