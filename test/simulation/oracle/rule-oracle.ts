import type { Reading, ReadingValue, Tags } from "../../../domain/reading.ts";
import { isActive } from "./active.ts";
import { Alert, type EvaluatedResult, type Move, NOT_ACTIVE } from "./alert.ts";
import { identityOf } from "./edits.ts";
import { holdsFor } from "./expression.ts";
import { Join, type JoinedName } from "./join.ts";
import { labelsOf, nameOf, seriesOf, takes, wants } from "./labels.ts";
import { AlertLevels, type LevelAt, oracleLevels } from "./levels.ts";
import type { Change, Emit, OracleResult, OracleRule, PartValue, Span } from "./model.ts";
import type { Listener, SharedWindows, Watch } from "./shared-windows.ts";
import { durationUs, fulfils, isComparable } from "./texts.ts";
import { sameDirection, worstOf } from "./worst.ts";

export interface GrowingOutputs {
  readonly windows: OracleResult[];
  readonly alerts: Change[];
}

/** A test of a series of a key, by one of its readings and the labels of the key. */
type KeyTest = (reading: Reading, labels: Tags) => boolean;

interface Key {
  readonly labels: Tags;
  readonly alert: Alert;
  /** When its newest reading came in windows that it had before an edit. */
  cameBeforeUs: number;
}

/** One series of a rule with its windows. It has no name if it is the only one. */
export interface RuleSeries {
  readonly name: string;
  readonly spec: OracleRule;
  readonly windows: SharedWindows;
}

/** A result of a rule, joined or not. */
interface Result extends Span {
  readonly revision: number;
  readonly aggregates: Readonly<Record<string, ReadingValue>>;
  readonly parts?: readonly PartValue[];
  readonly provisional?: boolean | undefined;
}

/** A rule with its results, its silences and its alerts. */
export class RuleOracle {
  rule: OracleRule;
  series: readonly RuleSeries[] = [];
  readonly #keys = new Map<string, Key>();
  readonly #outputs: GrowingOutputs;
  readonly #watch: Watch;
  readonly #known: ReadonlyMap<string, Reading>;
  readonly #belongs: (labels: Tags) => boolean;
  #joins = new Map<string, Join>();
  /** Identifies the names that its joins are over. */
  #joined = "";
  /** How long a key is kept without readings. */
  forgetUs = Number.POSITIVE_INFINITY;

  constructor(
    rule: OracleRule,
    out: {
      readonly outputs: GrowingOutputs;
      readonly watch: Watch;
      readonly belongs: (rule: string, labels: Tags) => boolean;
      /** One reading from each series that any rule has read. */
      readonly known: ReadonlyMap<string, Reading>;
    },
  ) {
    this.rule = rule;
    this.#outputs = out.outputs;
    this.#watch = out.watch;
    this.#known = out.known;
    this.#belongs = (labels) => out.belongs(rule.id, labels);
  }

  /** The rule's windows that accept a reading. */
  windowsFor(reading: Reading): SharedWindows[] {
    const taking = this.series.filter(({ spec }) => takes(spec, reading));
    return taking.length > 0 && this.#belongs(labelsOf(this.rule, reading)) ? taking.map(({ windows }) => windows) : [];
  }

  /** Switches to the edited rule. */
  follow(rule: OracleRule, series: readonly RuleSeries[]): void {
    for (const key of this.#keys.values()) key.cameBeforeUs = this.#cameUs(key);
    const [silences] = this.series;
    const [next] = series;
    if (silences && next?.windows.absence && next.windows !== silences.windows) {
      for (const key of this.#keys.values()) {
        if (this.#hasSeries(key, (reading) => wants(rule, reading)))
          next.windows.goOnWith(key.labels, silences.windows);
      }
    }
    for (const { alert } of this.#keys.values()) {
      const worst = worstOf(this.rule, alert.values);
      alert.values = worst === undefined || !sameDirection(this.rule, rule) ? [] : [worst];
    }
    if (next !== undefined && rule.let === undefined && next.windows !== silences?.windows) {
      for (const { labels, alert, cameBeforeUs } of this.#keys.values()) {
        const isOpen = alert.state !== "inactive" || alert.evaluatedEndUs > Number.NEGATIVE_INFINITY;
        if (isOpen || next.windows.absence) next.windows.cameElsewhere(labels, cameBeforeUs);
      }
    }
    this.rule = rule;
    this.series = series;
    for (const { alert } of this.#keys.values()) {
      if (rule.levels === undefined) alert.levels = new AlertLevels();
      else alert.levels.keep(oracleLevels(rule));
    }
    if (rule.flapping === undefined) for (const { alert } of this.#keys.values()) alert.forgetFlapping();
    const joined = JSON.stringify(
      seriesOf(rule).map(({ name, spec }) => [name, spec.aggregate, identityOf(spec), rule.let?.[name]?.offset]),
    );
    if (joined !== this.#joined) this.#joins = new Map();
    this.#joined = joined;
  }

  /** The listener for the windows of one of its series. */
  listenerOf(name: string): Listener {
    return {
      onWindow: (labels, ...emitted) => this.#onWindow(name, labels, ...emitted),
      onSilence: (labels, dueUs, silenceS) => this.#onSilence(labels, dueUs, silenceS),
      onHeard: (labels, silenceS) => this.#onHeard(labels, silenceS),
    };
  }

  /** Removes the keys that have no series for which `unless` holds. Ends their open alerts. */
  end(unless: KeyTest): void {
    for (const [name, key] of this.#keys) {
      if (this.#hasSeries(key, unless)) continue;
      this.#keys.delete(name);
      if (key.alert.state === "inactive") continue;
      const absent = this.rule.absent !== undefined;
      const atUs = absent ? this.#watch.nowUs : key.alert.evaluatedEndUs;
      const value = absent ? (this.series[0]?.windows.silenceS(key.labels) ?? 0) : key.alert.evaluatedValue;
      if (absent) key.alert.note(value);
      this.#change(key, key.alert.end(atUs), atUs, value);
    }
  }

  /** The instant at which the first key is forgotten. */
  forgottenUs(): number {
    return Math.min(...[...this.#keys.values()].map((key) => this.#cameUs(key) + this.forgetUs));
  }

  /** Forgets the keys that are to be forgotten by this time. */
  forget(untilUs: number, isWatched: boolean): void {
    for (const [name, key] of this.#keys) {
      if (this.#cameUs(key) + this.forgetUs > untilUs) continue;
      this.#keys.delete(name);
      this.#joins.delete(name);
      if (key.alert.state === "inactive") continue;
      const absent = this.rule.absent !== undefined;
      const atUs = absent ? untilUs : key.alert.evaluatedEndUs;
      const silenceS = this.series[0]?.windows.silenceByS(key.labels, untilUs, isWatched) ?? 0;
      if (absent) key.alert.note(silenceS);
      const move = { ...key.alert.end(atUs), reason: "forgotten" } as const;
      this.#change(key, move, atUs, absent ? silenceS : key.alert.evaluatedValue);
    }
  }

  #cameUs({ labels, cameBeforeUs }: Key): number {
    return Math.max(cameBeforeUs, ...this.series.map(({ windows }) => windows.cameUs(labels)));
  }

  /** Whether the rule reads a known series of the key for which the test holds. */
  #hasSeries({ labels }: Key, test: KeyTest): boolean {
    const isOfKey = (reading: Reading) => nameOf(labelsOf(this.rule, reading)) === nameOf(labels);
    return [...this.#known.values()].some((each) => wants(this.rule, each) && isOfKey(each) && test(each, labels));
  }

  #onWindow(name: string, labels: Tags, ...[span, revision, aggregatesOf, provisional]: Parameters<Emit>): void {
    if (!this.#belongs(labels)) return;
    const { aggregate } = this.rule.let?.[name] ?? {};
    if (aggregate === undefined) {
      this.#emit(labels, { ...span, revision, aggregates: aggregatesOf(this.rule.aggregate), provisional });
      return;
    }
    const value = aggregatesOf([aggregate])[aggregate];
    if (value === undefined || typeof value === "boolean") throw new RangeError(`no value of ${name}: ${value}`);
    for (const { parts, ...rest } of this.#joinOf(labels).hear(name, span, value)) {
      const aggregates = Object.fromEntries(parts.map((part) => [part.name, part.value]));
      this.#emit(labels, { ...rest, aggregates, parts });
    }
  }

  #joinOf(labels: Tags): Join {
    const name = nameOf(labels);
    const names = this.series.map((each): JoinedName => {
      const { tumbling, hopping, every } = each.spec.window ?? {};
      const sizeUs = durationUs(tumbling ?? hopping ?? "");
      const offsetUs = durationUs(this.rule.let?.[each.name]?.offset ?? "0s");
      return { name: each.name, sizeUs, everyUs: every === undefined ? sizeUs : durationUs(every), offsetUs };
    });
    const join = this.#joins.get(name) ?? new Join(names, durationUs(this.rule.lateness ?? "0s"));
    this.#joins.set(name, join);
    this.#keyOf(labels);
    return join;
  }

  #emit(labels: Tags, { parts, provisional = false, ...result }: Result): void {
    this.#outputs.windows.push({ rule: this.rule.id, labels, ...result });
    const isPartial = this.rule.let === undefined && this.series[0]?.windows.isPartial(labels, result.startUs) === true;
    if (this.rule.partial === "skip" && isPartial) return;
    const evaluated = evaluatedOf(this.rule, result, provisional);
    if (evaluated === undefined) return;
    const key = this.#keyOf(labels);
    const move = key.alert.evaluate(this.rule, evaluated);
    const condition = isActive(this.rule.active, result.endUs - 1) ? "" : NOT_ACTIVE;
    if (move !== undefined) this.#change(key, move, result.endUs, evaluated.value, { condition, parts });
  }

  #onSilence(labels: Tags, dueUs: number, silenceS: number): void {
    const key = this.#keyOf(labels);
    if (!this.#belongs(labels)) return;
    key.alert.note(silenceS);
    if (key.alert.state === "firing") key.alert.evaluateEnd(this.rule, dueUs, false);
    else this.#change(key, key.alert.fire(this.rule, dueUs, dueUs), dueUs, silenceS);
  }

  #onHeard(labels: Tags, silenceS: number): void {
    const key = this.#keyOf(labels);
    if (key.alert.state !== "firing") return;
    const { nowUs } = this.#watch;
    key.alert.note(silenceS);
    const move = key.alert.evaluateEnd(this.rule, nowUs, true);
    if (move !== undefined) this.#change(key, move, nowUs, silenceS);
  }

  #keyOf(labels: Tags): Key {
    const name = nameOf(labels);
    const key = this.#keys.get(name) ?? { labels, alert: new Alert(), cameBeforeUs: Number.NEGATIVE_INFINITY };
    this.#keys.set(name, key);
    return key;
  }

  #change(
    key: Key,
    move: Move & Pick<Change, "reason">,
    atUs: number,
    value: number | string,
    evidence?: Change["evidence"],
  ): void {
    const { values, ...rest } = move;
    const worst = worstOf(this.rule, values);
    const least = this.rule.levels === undefined ? this.rule.severity : oracleLevels(this.rule)[0]?.severity;
    const severity = move.severity ?? key.alert.levels.severity ?? least ?? "warning";
    const worstSeverity = move.worstSeverity ?? key.alert.levels.worse(severity);
    if (move.state === "resolved" || move.state === "inactive") key.alert.levels = new AlertLevels();
    const about = { rule: this.rule.id, key: key.labels, atUs, value, worst, evidence };
    this.#outputs.alerts.push({ ...about, ...rest, severity, worstSeverity });
  }
}

/** A result as evaluated by a rule's alert; undefined if the alert does not evaluate it. */
function evaluatedOf(
  rule: OracleRule,
  { startUs, endUs, aggregates }: Omit<Result, "parts">,
  provisional: boolean,
): EvaluatedResult | undefined {
  const conditions = oracleLevels(rule);
  const values: Record<string, number | string> = {};
  for (const [name, value] of Object.entries(aggregates))
    values[name] = typeof value === "boolean" ? Number(value) : value;
  const value = values[rule.let === undefined ? (rule.aggregate[0] ?? "") : (Object.keys(rule.let)[0] ?? "")];
  if (conditions.length === 0 || value === undefined) return undefined;
  if (rule.let !== undefined && Object.values(values).some((each) => Number.isNaN(each))) return undefined;
  const evaluate = (condition: string) => {
    if (rule.let !== undefined) return holdsFor(condition, values);
    return isComparable(condition, value) ? fulfils(condition, value) : undefined;
  };
  const held = conditions.map(({ when }) => evaluate(when));
  if (held.includes(undefined)) return undefined;
  const inActiveTime = isActive(rule.active, endUs - 1);
  const levels = conditions.map(({ severity, clear }, i): LevelAt => {
    if (!inActiveTime) return { severity, holds: false, clears: true };
    const holds = held.slice(i).includes(true);
    return { severity, holds, clears: clear === undefined ? !holds : evaluate(clear) === true };
  });
  const { holds, clears } = levels[0] ?? { holds: false, clears: true };
  return { startUs, endUs, value, provisional, holds, clears, inActiveTime, levels: rule.levels && levels };
}
