import type { Reason, WhyNotAlert } from "../../contracts/explanations.ts";
import type { AlertChange, AlertState } from "../../domain/alert.ts";
import { keyName } from "../../domain/alert-ids.ts";
import type { LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import { formatDurationUs, formatInstantUs } from "../../domain/time.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { compileRule } from "../../engine/rules/compile.ts";
import type { JoinSpec, Rule, WindowsSpec } from "../../engine/rules/rule.ts";
import { type EntryPosition, Step } from "../../engine/step.ts";
import { type Condition, holds } from "../../rule-language/conditions/condition.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import { checkedCondition, checkedExpression } from "../../rule-language/spec/checked.ts";
import { groupingOf, groupLabels, labelOf } from "../../rule-language/spec/grouping.ts";
import { letNames } from "../../rule-language/spec/let-spec.ts";
import { type Level, levelsOf } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { compileSelector } from "../../rule-language/spec/selector.ts";
import { isOfGone } from "./departures.ts";

/** The state of one group of the rule. */
interface Group {
  readonly key: Tags;
  readings: number;
  newest: { readonly atUs: number; readonly storedAtUs: number } | undefined;
  window: WindowResult | undefined;
  /** With `let`: the newest window of each name. */
  readonly parts: Map<string, WindowResult>;
  change: AlertChange | undefined;
  /** When its device said that it is gone, if no reading has come since. */
  goneUs: number | undefined;
}

type AbsentSpec = Extract<WindowsSpec, { readonly kind: "absent" }>;

const GROUPS_MAX = 20;
const NEAR_MAX = 5;

/**
 * Finds out why a rule does not fire for a group at a time. Folds a stretch of the log with a step that runs only
 * this rule, and inspects the result.
 */
export class WhyNot {
  readonly #spec: RuleSpec;
  readonly #rule: Rule;
  readonly #labels: Tags;
  /** Only results and changes up to this event time count. */
  readonly #untilEventUs: number;
  readonly #table: SeriesTable;
  readonly #step: Step;
  readonly #groups = new Map<string, Group>();
  /** The group of each series; null if the rule does not read it. */
  readonly #groupOf = new Map<number, Group | null>();
  readonly #near: Series[] = [];
  #started = false;
  #nowUs = 0;

  constructor(spec: RuleSpec, labels: Tags, options: { readonly table: SeriesTable; readonly untilEventUs?: number }) {
    this.#spec = spec;
    this.#rule = compileRule(spec);
    this.#labels = labels;
    this.#table = options.table;
    this.#untilEventUs = options.untilEventUs ?? Number.POSITIVE_INFINITY;
    this.#step = new Step(options.table);
  }

  take(entry: LogEntry, position: EntryPosition): void {
    if (!this.#started) this.#start(position);
    if (entry.kind === "rule_set") return;
    this.#nowUs = position.storedAtUs;
    const { windows, alerts } = this.#step.apply(entry, position);
    if (entry.kind === "gone") {
      for (const group of this.#groups.values())
        if (isOfGone(group.key, entry.devices)) group.goneUs = position.storedAtUs;
    } else if (entry.kind === "readings") {
      for (let i = 0; i < entry.count; i++) {
        const group = this.#groupFor(entry.seriesId[i] as number);
        const atUs = entry.atUs[i] as number;
        if (group === null || atUs > this.#untilEventUs) continue;
        group.readings++;
        group.goneUs = undefined;
        if (!(atUs <= (group.newest?.atUs ?? Number.NEGATIVE_INFINITY)))
          group.newest = { atUs, storedAtUs: position.storedAtUs };
      }
    }
    for (const window of windows) {
      const group = this.#groups.get(keyName(window.labels));
      if (!group || window.endUs > this.#untilEventUs) continue;
      const name = window.rule === this.#spec.id ? undefined : window.rule;
      const newest = name === undefined ? group.window : group.parts.get(name);
      if (window.endUs < (newest?.endUs ?? Number.NEGATIVE_INFINITY)) continue;
      if (name === undefined) group.window = window;
      else group.parts.set(name, window);
    }
    for (const change of alerts) {
      const group = this.#groups.get(keyName(change.key));
      if (group && change.atUs <= this.#untilEventUs) group.change = change;
    }
  }

  /** The reasons as of this time of the log. */
  answer(atUs: number): { readonly alerts: readonly WhyNotAlert[]; readonly reasons: readonly Reason[] } {
    if (this.#untilEventUs === Number.POSITIVE_INFINITY && atUs > this.#nowUs && this.#started) {
      this.take({ kind: "tick" }, { task: 0, sequence: 0, storedAtUs: atUs });
    }
    const alerts = [...this.#groups.values()].slice(0, GROUPS_MAX).map((group) => ({
      key: group.key,
      state: this.#stateOf(group),
      reasons: this.#reasons(group, Math.min(atUs, this.#untilEventUs)),
    }));
    return { alerts, reasons: alerts.length > 0 ? [] : this.#whyNoGroup() };
  }

  #start({ task, storedAtUs }: EntryPosition): void {
    this.#started = true;
    const specs = [this.#spec, ...partsOf(this.#spec)];
    const rulesJson = JSON.stringify(specs);
    this.#step.apply({ kind: "rule_set", version: versionOf(specs), rulesJson }, { task, sequence: 0, storedAtUs });
  }

  #groupFor(id: number): Group | null {
    const known = this.#groupOf.get(id);
    if (known !== undefined) return known;
    const series = this.#table.series(id);
    const key = groupLabels(groupingOf(this.#spec), series);
    const isAsked = Object.entries(this.#labels).every(([name, text]) => labelOf(series, name) === text);
    let group: Group | null = null;
    if (isAsked && this.#rule.inputs.some(({ selector }) => selector.matches(series))) {
      group = this.#groups.get(keyName(key)) ?? {
        key,
        readings: 0,
        newest: undefined,
        window: undefined,
        parts: new Map(),
        change: undefined,
        goneUs: undefined,
      };
      this.#groups.set(keyName(key), group);
    } else if (isAsked && this.#near.length < NEAR_MAX) this.#near.push(series);
    this.#groupOf.set(id, group);
    return group;
  }

  #stateOf({ change }: Group): AlertState {
    return change?.state ?? "inactive";
  }

  #whyNoGroup(): Reason[] {
    const wanted = Object.entries(this.#spec.where).map(
      ([name, value]) => `${name}: ${typeof value === "string" ? value : value.join(", ")}`,
    );
    const near = this.#near.map((series) => `${series.device} ${series.metric}${this.#mismatch(series)}`);
    const text =
      near.length > 0
        ? `the rule reads no series with these labels; the nearest are ${near.join("; ")}`
        : `no reading with these labels arrived in the part of the log that was read; the rule reads ${wanted.join("; ") || "everything"}`;
    return [{ part: "series", holds: false, text }];
  }

  #mismatch(series: Series): string {
    for (const [name, value] of Object.entries(this.#spec.where)) {
      if (compileSelector({ [name]: value }, { onlyNumbers: false }).matches(series)) continue;
      const has = labelOf(series, name);
      return ` (${name} is ${has === undefined ? "missing" : `"${has}"`}, wanted ${typeof value === "string" ? value : value.join(" or ")})`;
    }
    return series.kind === "string" ? " (its values are texts, the rule reads numbers)" : "";
  }

  #reasons(group: Group, atUs: number): Reason[] {
    const { newest, readings } = group;
    const came = newest
      ? `${readings} readings; the newest was observed ${formatInstantUs(newest.atUs)}, stored ${formatInstantUs(newest.storedAtUs)}`
      : "no reading";
    const reasons: Reason[] = [{ part: "readings", holds: newest !== undefined, text: came }];
    const windows = this.#rule.inputs[0]?.windows;
    if (windows?.kind === "absent") return [...reasons, this.#silence(group, windows, atUs)];
    reasons.push(...(this.#rule.join ? this.#series(group, this.#rule.join) : [this.#window(group)]));
    if (group.window !== undefined) reasons.push(...this.#conditions(group, group.window));
    return reasons;
  }

  #silence({ newest, change, goneUs }: Group, { afterUs, active }: AbsentSpec, atUs: number): Reason {
    const sinceUs = newest?.storedAtUs ?? atUs;
    const silentUs = active === undefined ? atUs - sinceUs : active.activeUs(sinceUs, atUs);
    const isFiring = change?.state === "firing";
    const isShort = !isFiring && atUs - sinceUs >= afterUs;
    const inactive = active === undefined ? "" : " in active time";
    const gone = goneUs === undefined ? "" : `; its device said at ${formatInstantUs(goneUs)} that it is gone`;
    const unwatched = isShort ? `; unwatched${active ? " or inactive" : ""} time does not count` : "";
    return {
      part: "condition",
      holds: isFiring,
      text: `silent for ${formatDurationUs(Math.max(0, silentUs))} of ${formatDurationUs(afterUs)}${inactive}${unwatched}${gone}`,
    };
  }

  /** The newest window of each series of the condition, and whether they were joined. */
  #series({ parts, window }: Group, { names }: JoinSpec): Reason[] {
    const each = names.map(({ name, aggregate }): Reason => {
      const newest = parts.get(name);
      const text = newest
        ? `${name}: ${aggregate.name} was ${newest.aggregates[name]} in ${spanOf(newest)}`
        : `${name}: no window has closed yet`;
      return { part: "window", holds: newest !== undefined, text };
    });
    if (window) return each;
    const text = "there is no instant yet at which every series has a window";
    return [...each, { part: "window", holds: false, text }];
  }

  #window({ newest, window }: Group): Reason {
    const windows = this.#rule.inputs[0]?.windows;
    if (windows === undefined || windows.kind === "absent") throw new TypeError("a rule about silence has no windows");
    const newestClosed = window ? `the newest closed window is ${spanOf(window)}` : "no window has closed yet";
    const lateUs = windows.latenessUs;
    let next = "";
    if (newest && (windows.kind === "panes" || windows.kind === "calendar")) {
      const endUs =
        windows.kind === "calendar"
          ? windows.grid.windowAt(newest.atUs).endUs
          : (Math.floor(newest.atUs / windows.everyUs) + 1) * windows.everyUs;
      const closesUs = newest.storedAtUs + endUs + lateUs - newest.atUs;
      if (!window || endUs > window.endUs) {
        next = `; the next ends at ${formatInstantUs(endUs)}, and closes with a reading from ${formatInstantUs(endUs + lateUs)} on, or at ${formatInstantUs(closesUs)} without one`;
      }
    } else if (newest && windows.kind === "count") next = `; it takes ${windows.count} readings`;
    return { part: "window", holds: window !== undefined, text: newestClosed + next };
  }

  #conditions({ change }: Group, window: WindowResult): Reason[] {
    const { evaluate, valueName: name, forUs, keepFiringForUs, flapping, active, spec } = this.#rule;
    if (evaluate === undefined)
      return [{ part: "rule", holds: false, text: "the rule has no `when`: it computes windows and never fires" }];
    const value = window.aggregates[name];
    const conditions = evaluate(window.aggregates);
    if (value === undefined || conditions === undefined) {
      return [{ part: "condition", holds: false, text: `${name} has no value in that window, so it is not evaluated` }];
    }
    const state = change?.state ?? "inactive";
    const reasons = levelsOf(spec).flatMap((level) =>
      spec.let ? severalReasons(spec, level, window) : [oneReason(spec, level, { name, value })],
    );
    const isActive = active === undefined || active.isActive(window.endUs - 1);
    if (!isActive) {
      const text = `the rule is not active at ${formatInstantUs(window.endUs)}: \`when\` counts as not holding`;
      reasons.push({ part: "rule", holds: false, text });
    }
    if (change && state === "pending") {
      const heldUs = window.endUs - change.activeAtUs;
      const text = `it has held since ${formatInstantUs(change.activeAtUs)}: ${formatDurationUs(heldUs)} of ${formatDurationUs(forUs)}`;
      reasons.push({ part: "for", holds: heldUs >= forUs, text });
    } else if (change && state === "firing") {
      reasons.push({
        part: "for",
        holds: true,
        text: `it has been ${change.from === "firing" ? "flapping" : "firing"} since ${formatInstantUs(change.atUs)}`,
      });
      const isClear = conditions.clears || !isActive;
      const [least] = levelsOf(spec);
      const ends = least?.clear ? `clear ${least.clear}` : `not ${least?.when}`;
      const keepUs = change.flapping && flapping ? Math.max(keepFiringForUs, flapping.withinUs) : keepFiringForUs;
      const why = change.flapping ? " (it is flapping)" : "";
      const keeps = isClear && keepUs > 0 ? `, but not yet for ${formatDurationUs(keepUs)}${why}` : "";
      reasons.push({
        part: "clear",
        holds: isClear,
        text: `it ends when ${ends}: ${name} ${value} ${isClear ? "does" : "does not"}${keeps}`,
      });
    }
    return reasons;
  }
}

/** A rule for each name of `let` that emits its windows in the same groups, and never fires. */
function partsOf(spec: RuleSpec): RuleSpec[] {
  return Object.entries(spec.let ?? {}).map(([name, own]) => ({
    ...spec,
    ...{ id: name, let: { [name]: own }, when: `${name} != ${name}`, clear: undefined },
  }));
}

function oneReason(
  spec: RuleSpec,
  level: Level,
  { name, value }: { readonly name: string; readonly value: number | string },
): Reason {
  const when = checkedCondition(level.when);
  const isMet = holds(when, value);
  const text = `${name} is ${value}: ${level.when}${severityOf(spec, level)} ${isMet ? "holds" : `does not hold${shortBy(when, value)}`}`;
  return { part: "condition", holds: isMet, text };
}

/** Each part of a condition over several series. */
function severalReasons(spec: RuleSpec, level: Level, window: WindowResult): Reason[] {
  const parsed = checkedExpression(level.when, letNames(spec.let ?? {}));
  return parsed.parts.map((part) => {
    const isMet = part.holds(window.aggregates) === true;
    const named = Object.entries(window.aggregates).filter(([name]) => new RegExp(`\\b${name}\\b`).test(part.text));
    const values = named.map(([name, value]) => `${name} is ${value}`).join(", ");
    const text = `${values}: ${part.text}${severityOf(spec, level)} ${isMet ? "holds" : "does not hold"}, at ${formatInstantUs(window.endUs)}`;
    return { part: "condition", holds: isMet, text };
  });
}

function severityOf({ levels }: RuleSpec, { severity }: Level): string {
  return levels === undefined ? "" : ` (${severity})`;
}

function spanOf({ startUs, endUs }: WindowResult): string {
  return `${formatInstantUs(startUs)} to ${formatInstantUs(endUs)}`;
}

function shortBy(condition: Condition, value: number | string): string {
  if (typeof value === "string" || condition.kind === "text") return "";
  const away =
    condition.kind === "compare"
      ? Math.abs(value - condition.limit)
      : Math.min(Math.abs(value - condition.low), Math.abs(value - condition.high));
  return `, by ${Number(away.toPrecision(6))}`;
}
