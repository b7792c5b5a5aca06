import { parseDurationUs } from "../../domain/time.ts";
import { type Aggregate, takesTexts } from "../../rule-language/aggregates/aggregate.ts";
import { Calendar } from "../../rule-language/calendar/calendar.ts";
import { WindowGrid } from "../../rule-language/calendar/window-grid.ts";
import { holds } from "../../rule-language/conditions/condition.ts";
import { checkedAggregate, checkedCondition } from "../../rule-language/spec/checked.ts";
import { type Grouping, groupingOf } from "../../rule-language/spec/grouping.ts";
import type { LetSpec } from "../../rule-language/spec/let-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { compileSelector } from "../../rule-language/spec/selector.ts";
import { windowCostOf } from "../../rule-language/spec/window-cost.ts";
import { parseTemplate } from "../../rule-language/template/template.ts";
import type { CourseOptions } from "../aggregates/folds.ts";
import { planOf } from "../aggregates/plan.ts";
import { compileConditions } from "./conditions.ts";
import { compileLevels } from "./levels.ts";
import type { InputSpec, JoinedName, JoinSpec, Rule, WindowCommon, WindowsSpec } from "./rule.ts";
import { stopReason } from "./stop-reason.ts";
import { worstValueOf } from "./worst-value.ts";

/** The minimum: a rule that starts later must recognize duplicates of readings that arrived before it. */
const HORIZON_US_MIN = 60_000_000;
/** Windows are open or retained for two sizes, and a correction reaches back by one more. */
const SIZES_REMEMBERED = 3;
/** A key waits at least this often for the longest window, or for the absence. */
const SIZES_AWAITED = 4;
const ABSENCES_AWAITED = 2;

/** The spec must have passed `ruleSpecSchema` (rule files) or `readRuleSet` (the log). */
export function compileRule(spec: RuleSpec): Rule {
  const join = spec.let === undefined ? undefined : compileJoin(spec, spec.let);
  const isOne = spec.absent === undefined && join === undefined;
  const aggregates = isOne ? spec.aggregate.map(checkedAggregate) : [];
  const inputs = join?.names.map(({ input }) => input) ?? [
    compileInput({ ...spec, grouping: groupingOf(spec) }, aggregates),
  ];
  const levels = compileLevels(spec, aggregates);
  return {
    spec,
    windowsPerKey: windowCostOf(spec).count,
    inputs,
    join,
    aggregates,
    aggregatesKey: JSON.stringify(spec.aggregate),
    valueName: join?.names[0]?.name ?? spec.aggregate[0] ?? "",
    forUs: us(spec.for),
    keepFiringForUs: us(spec.keep_firing_for),
    skipsPartial: spec.partial === "skip",
    maxGapUs: spec.max_gap === undefined ? undefined : us(spec.max_gap),
    forgetUs: Math.max(
      us(spec.forget_after),
      ...inputs.map(({ windows }, i) => awaitedUs(windows) + (join?.names[i]?.offsetUs ?? 0)),
    ),
    evaluate: levels === undefined ? compileConditions(spec, aggregates) : levels.evaluate,
    levels,
    flapping: spec.flapping && { changes: spec.flapping.changes, withinUs: us(spec.flapping.within) },
    worst: worstValueOf(spec),
    active: spec.active && new Calendar(spec.active),
    annotations: Object.entries(spec.annotations).map(([name, text]) => [name, parseTemplate(text)] as const),
  };
}

/** A rule that cannot be compiled does not stop the others: `broken` says why, by id. */
export function compileRules(specs: readonly RuleSpec[]): {
  readonly rules: readonly Rule[];
  readonly broken: ReadonlyMap<string, string>;
} {
  const rules: Rule[] = [];
  const broken = new Map<string, string>();
  for (const spec of specs) {
    try {
      rules.push(compileRule(spec));
    } catch (error) {
      broken.set(spec.id, stopReason(error));
    }
  }
  return { rules, broken };
}

type InputFields = Pick<
  RuleSpec,
  | "where"
  | "window"
  | "absent"
  | "active"
  | "lateness"
  | "late"
  | "fill"
  | "fill_for"
  | "carry"
  | "max_value"
  | "valid"
  | "except"
  | "hampel"
> & {
  readonly grouping: Grouping;
};

function compileInput(fields: InputFields, aggregates: readonly Aggregate[]): InputSpec {
  const { where, grouping, absent } = fields;
  const windows = compileWindows(fields, aggregates);
  const onlyNumbers = absent === undefined && !aggregates.every(takesTexts);
  // Active time changes how silence is measured. It does not change windows, only how their results are evaluated.
  const silence = fields.active === undefined ? absent : [absent, fields.active];
  const { carry, max_value, valid, except, hampel } = fields;
  const ofValues = { carry, max_value, valid, except, hampel };
  // Windows of a version without these fields must have the same identity.
  const limits = Object.values(ofValues).some((given) => given !== undefined) ? [ofValues] : [];
  const shape =
    absent === undefined
      ? [fields.window, fields.lateness, fields.late, fields.fill, onlyNumbers, ...limits, ...fillForOf(fields)]
      : silence;
  const plan = windows.kind === "absent" ? "" : windows.plan.identity;
  return {
    identity: JSON.stringify([where, grouping, shape, plan]),
    selector: compileSelector(where, { onlyNumbers }),
    reads: compileFilter(fields),
    hampel: absent === undefined ? hampel : undefined,
    grouping,
    windows,
    windowsPerKey: windowCostOf({ window: fields.window, lateness: fields.lateness }).count,
    horizonUs: Math.max(HORIZON_US_MIN, horizonOf(windows)),
  };
}

function compileJoin(spec: RuleSpec, lets: LetSpec): JoinSpec {
  const grouping = groupingOf(spec);
  const names = Object.entries(lets).map(([name, own]): JoinedName => {
    const where = { ...spec.where, ...(own.metric !== undefined && { metric: own.metric }), ...own.where };
    const aggregate = checkedAggregate(own.aggregate);
    const input = compileInput({ ...spec, ...own, grouping, where, window: own.window ?? spec.window }, [aggregate]);
    const { windows } = input;
    if (windows.kind !== "panes" && windows.kind !== "filled")
      throw new TypeError(`unchecked rule: the windows of ${name} are neither tumbling nor hopping`);
    const { sizeUs } = windows;
    const everyUs = windows.kind === "panes" ? windows.everyUs : sizeUs;
    return { name, input, aggregate, sizeUs, everyUs, offsetUs: us(own.offset ?? "0s") };
  });
  const sizeUs = Math.max(...names.map((name) => name.sizeUs));
  return {
    identity: JSON.stringify(
      names.map(({ name, input, aggregate, offsetUs }) => [
        ...[name, aggregate.name, input.identity],
        ...(offsetUs === 0 ? [] : [offsetUs]),
      ]),
    ),
    grouping,
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
    plan: planOf(aggregates, { fill, isMerged: isMergedKind(fields.window), course: courseOf(fields) }),
    oneSeriesPerKey: isOneSeries(fields.grouping),
  };
  const { tumbling, hopping, every, sliding, session, count, step, calendar, shifts } = fields.window ?? {};
  if (tumbling !== undefined && fill)
    return { ...common, kind: "filled", sizeUs: us(tumbling), fillForUs: us(fields.fill_for) };
  if (tumbling !== undefined) return { ...common, kind: "panes", sizeUs: us(tumbling), everyUs: us(tumbling) };
  if (hopping !== undefined) return { ...common, kind: "panes", sizeUs: us(hopping), everyUs: us(every ?? "") };
  if (sliding !== undefined) return { ...common, kind: "sliding", sizeUs: us(sliding) };
  if (session !== undefined) return { ...common, kind: "session", gapUs: us(session) };
  if (count !== undefined) return { ...common, kind: "count", count, step };
  if (calendar !== undefined || shifts !== undefined)
    return { ...common, kind: "calendar", grid: new WindowGrid(fields.window ?? {}) };
  throw new TypeError("unchecked rule: it has no window");
}

/** Whether the rule reads a value; undefined if it reads all. */
function compileFilter({ absent, valid, except }: InputFields): InputSpec["reads"] {
  if (absent !== undefined || (valid === undefined && except === undefined)) return undefined;
  const isValid = valid === undefined ? undefined : checkedCondition(valid);
  // Booleans are 0 and 1.
  const excepted = new Set(except?.map((value) => (typeof value === "boolean" ? Number(value) : value)));
  return (value) => (isValid === undefined || holds(isValid, value)) && !excepted.has(value);
}

function courseOf({ carry, max_value }: InputFields): CourseOptions {
  return { carryUs: carry === undefined ? Number.POSITIVE_INFINITY : us(carry), counterMax: max_value };
}

function isMergedKind({ hopping, sliding, count }: NonNullable<InputFields["window"]> = {}): boolean {
  return hopping !== undefined || sliding !== undefined || count !== undefined;
}

/** Only where it has an effect, so that it does not separate other windows. */
function fillForOf({ fill, fill_for }: InputFields): readonly string[] {
  return fill === "last" ? [fill_for] : [];
}

/** A list with both labels counts, too: a second reading of an instant, from a series with other tags, is then late. */
function isOneSeries(grouping: Grouping): boolean {
  if (typeof grouping === "string") return grouping === "series";
  return grouping.includes("device") && grouping.includes("metric");
}

function horizonOf(windows: WindowsSpec): number {
  switch (windows.kind) {
    case "absent":
      return 0;
    case "count":
      return windows.latenessUs;
    case "session":
      return windows.latenessUs + SIZES_REMEMBERED * windows.gapUs;
    case "calendar":
      return windows.latenessUs + SIZES_REMEMBERED * windows.grid.sizeUs;
    default:
      return windows.latenessUs + SIZES_REMEMBERED * windows.sizeUs;
  }
}

/** A key cannot be forgotten sooner: by then its windows are emitted and its absence has been noticed. */
function awaitedUs(windows: WindowsSpec): number {
  switch (windows.kind) {
    case "absent":
      return ABSENCES_AWAITED * windows.afterUs;
    case "count":
      return windows.latenessUs;
    case "session":
      return windows.latenessUs + SIZES_AWAITED * windows.gapUs;
    case "calendar":
      return windows.latenessUs + SIZES_AWAITED * windows.grid.sizeUs;
    default:
      return windows.latenessUs + SIZES_AWAITED * windows.sizeUs;
  }
}

function us(text: string): number {
  const parsed = parseDurationUs(text);
  if (parsed === undefined) throw new TypeError(`unchecked rule: "${text}" is not a duration`);
  return parsed;
}
