import type { AlertChange, AlertState, EvidencePart, Severity } from "../../domain/alert.ts";
import { alertChangeId, incidentId } from "../../domain/alert-ids.ts";
import type { Tags } from "../../domain/reading.ts";
import { formatDurationUs } from "../../domain/time.ts";
import { levelsOf } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import type { AggregateValues, ConditionState } from "../rules/conditions.ts";
import { type LevelsState, NO_LEVEL, type RuleLevels } from "../rules/levels.ts";
import { type JoinSpec, lastEndUs, type Rule } from "../rules/rule.ts";
import { stopReason } from "../rules/stop-reason.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import type { StepContext } from "../state/step-context.ts";
import type { Silence } from "../windows/absences.ts";
import { AlertStates, type Transition } from "./alert-states.ts";
import { type AlertFacts, fillAnnotations } from "./annotations.ts";
import { LevelStates } from "./level-states.ts";
import { OpenIncidents } from "./open-incidents.ts";

/** The windows or silences that a rule's alerts follow, by key. */
export interface AlertSource {
  /** Keys have numbers below this. */
  readonly keyCount: number;
  /** How long a key is kept without readings. */
  readonly forgetUs: number;
  /** Undefined for a source of windows. */
  readonly absences: { silence(key: number, atUs: number): Silence } | undefined;
  labels(key: number): Tags;
  /** The source has emitted everything up to this time; NaN for windows that do not close. */
  watermarkUs(key: number): number;
  /** Whether a window that ends then was emitted because nothing had arrived for a while. */
  isProvisional(key: number, endUs: number): boolean;
  /** Whether a window that starts then began before the key's first reading came. */
  isPartial(key: number, startUs: number): boolean;
}

/** The condition state outside a rule's active time. */
const INACTIVE = { holds: false, clears: true };
const NOT_ACTIVE = "not in active time";

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** The window or silence behind a change. */
interface Cause extends Span {
  readonly value: number | string;
  readonly reason?: AlertChange["reason"];
  readonly values?: AggregateValues;
  /** Whether the rule was active at the end of the span. */
  readonly isActive?: boolean;
  /** The severity of a firing alert, if this changes it. */
  readonly severityBefore?: Severity;
}

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** The alerts of one rule: evaluates the results of its source, and emits a change for each transition. */
export class RuleAlerts {
  readonly #context: StepContext;
  readonly #states = new AlertStates();
  readonly #incidents = new OpenIncidents();
  readonly #levels = new LevelStates();
  #rule: Rule;
  readonly #source: AlertSource;
  readonly #onFailed: (alerts: RuleAlerts) => void;
  #stopped: string | undefined;

  /** `onFailed`: the rule has just been stopped, because it threw. */
  constructor(rule: Rule, source: AlertSource, context: StepContext, onFailed: (alerts: RuleAlerts) => void) {
    this.#rule = rule;
    this.#source = source;
    this.#context = context;
    this.#onFailed = onFailed;
  }

  /** Why the rule is skipped until it is edited; undefined if it runs. Its open alerts stay open. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  stop(reason: string): void {
    this.#stopped = reason;
  }

  get rule(): Rule {
    return this.#rule;
  }

  /** Continues under an edited rule with the same source. Incidents stay open. */
  continueAs(rule: Rule): void {
    if (rule.worst?.identity !== this.#rule.worst?.identity) this.#incidents.forgetWorst();
    // An edited rule is tried again.
    if (JSON.stringify(rule.spec) !== JSON.stringify(this.#rule.spec)) this.#stopped = undefined;
    this.#rule = rule;
    this.#levels.keepOnly(rule.levels);
    if (rule.flapping === undefined) this.#states.forgetFlapping();
  }

  /** Continues the alert of a key from the rule before its edit. */
  adopt(key: number, from: RuleAlerts, fromKey: number): void {
    this.#states.adopt(key, from.#states, fromKey);
    const keepsWorst = this.#rule.worst?.identity === from.#rule.worst?.identity;
    this.#incidents.adopt(key, from.#incidents, { fromKey, keepsWorst });
    this.#levels.adopt(key, from.#levels, fromKey);
    this.#levels.keepOnly(this.#rule.levels);
    if (this.#rule.flapping === undefined) this.#states.forgetFlapping();
  }

  /** Whether the key has an open alert or an evaluated window. */
  hasHistory(key: number): boolean {
    return this.#states.isActive(key) || this.#states.last(key).endUs > Number.NEGATIVE_INFINITY;
  }

  onWindow(key: number, { startUs, endUs, values }: Span & { readonly values: AggregateValues }): void {
    const { evaluate, valueName, active } = this.#rule;
    let state: ConditionState | undefined;
    let isActive = true;
    // No function or object of its own, because this runs for each window of each rule.
    try {
      state = evaluate?.(values);
      if (state === undefined) return;
      isActive = active === undefined || active.isActive(endUs - 1);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#rule.skipsPartial && this.#source.isPartial(key, startUs)) return;
    const isAgain = !this.#states.isNewer(key, endUs);
    const isProvisional = isAgain && this.#source.isProvisional(key, endUs);
    if (isAgain && !(isProvisional && this.#states.isAfterChange(key, endUs))) return;
    // Of a rule with levels, corrections are not evaluated again.
    if (isAgain && this.#rule.levels !== undefined) return;
    const value = values[valueName] ?? Number.NaN;
    const { holds, clears } = isActive ? state : INACTIVE;
    if (isActive && (holds || this.#states.isActive(key))) this.#incidents.see(key, value, this.#rule.worst);
    if (this.#rule.levels !== undefined) {
      const held = isActive ? (state as LevelsState) : NO_LEVEL;
      this.#evaluateLevels(key, this.#rule.levels, held, { startUs, endUs, value, values, isActive });
      return;
    }
    // No spread, because this runs for each window of each rule.
    const window = { startUs, endUs, value, holds, clears };
    const transition = isAgain
      ? this.#states.evaluateAgain(key, this.#rule, window)
      : this.#states.evaluate(key, this.#rule, window);
    if (transition) this.#emit(key, transition, { startUs, endUs, value, values, isActive });
  }

  /** The alert as a whole, and then the severity of one that fires (docs/windows.md, "Levels"). */
  #evaluateLevels(key: number, levels: RuleLevels, state: LevelsState, cause: Cause): void {
    const { startUs, endUs, value } = cause;
    const { forUs, keepFiringForUs } = this.#rule;
    const clears = this.#levels.clears(key, state, levels);
    const transition = this.#states.evaluate(key, this.#rule, { startUs, endUs, value, holds: state.holds, clears });
    if (!this.#states.isActive(key)) {
      if (transition) this.#emit(key, transition, cause);
      return;
    }
    const isFiring = this.#states.isFiring(key);
    const before = this.#levels.severity(key, levels);
    this.#levels.see(key, endUs, state, { ...levels, forUs, keepFiringForUs }, isFiring);
    const wasFiring = isFiring && (transition === undefined || transition.from === "firing");
    const isChanged = this.#levels.take(key, levels) !== before && wasFiring;
    if (isChanged) this.#emit(key, transition ?? this.#states.stay(key), { ...cause, severityBefore: before });
    else if (transition) this.#emit(key, transition, cause);
  }

  #fail(error: unknown): void {
    this.#stopped = stopReason(error);
    this.#onFailed(this);
  }

  /** Without texts if they cannot be filled in. */
  #textsOf(facts: AlertFacts): Record<string, string> {
    try {
      return fillAnnotations(this.#rule.annotations, facts);
    } catch (error) {
      this.#fail(error);
      return {};
    }
  }

  /** Returns whether the alert still waits for the key's next reading. */
  onAbsence(key: number, isAbsent: boolean, silence: Silence): boolean {
    const { sinceUs, atUs, watchedUs } = silence;
    const value = watchedUs / 1e6;
    if (isAbsent || this.#states.isActive(key)) this.#incidents.see(key, value, this.#rule.worst);
    const transition = this.#states.set(key, this.#rule, { endUs: atUs, value, isFiring: isAbsent });
    if (transition) this.#emit(key, transition, { startUs: sinceUs, endUs: atUs, value });
    return this.#states.isActive(key);
  }

  /** Ends an open incident whose rule or key was removed. */
  end(key: number): void {
    this.#end(key, this.#context.position.storedAtUs);
  }

  /** Ends an open incident whose key was silent for too long, and drops everything about the key. */
  forget(key: number, atUs: number): void {
    this.#drop(key, atUs, "forgotten");
  }

  /** Like `forget`, for a key whose windows are lost because they failed. */
  lose(key: number): void {
    this.#drop(key, this.#context.position.storedAtUs, "quarantined");
  }

  #drop(key: number, atUs: number, reason: AlertChange["reason"]): void {
    this.#end(key, atUs, reason);
    this.#states.forget(key);
    this.#incidents.forget(key);
    this.#levels.forget(key);
  }

  endAll(): void {
    for (let key = 0; key < this.#source.keyCount; key++) this.end(key);
  }

  snapshot(to: SnapshotWriter): void {
    this.#states.snapshot(to);
  }

  /** States of older versions have no incidents. */
  snapshotIncidents(to: SnapshotWriter): void {
    this.#incidents.snapshot(to);
  }

  restoreIncidents(from: SnapshotReader): void {
    this.#incidents.restore(from);
  }

  /** States of older versions do not have the times of the last changes. */
  snapshotChanges(to: SnapshotWriter): void {
    this.#states.snapshotChanges(to);
  }

  restoreChanges(from: SnapshotReader): void {
    this.#states.restoreChanges(from);
  }

  restore(from: SnapshotReader): void {
    this.#states.restore(from);
  }

  /** States of older versions have no levels. */
  snapshotLevels(to: SnapshotWriter): void {
    this.#levels.snapshot(to);
  }

  restoreLevels(from: SnapshotReader): void {
    this.#levels.restore(from);
  }

  #conditionOf(at: { readonly state: AlertState; readonly severity: Severity }, { reason, isActive }: Cause): string {
    if (reason === "quarantined") return "the rule failed";
    if (reason === "forgotten") return `no reading for ${formatDurationUs(this.#source.forgetUs)}`;
    return isActive === false ? NOT_ACTIVE : conditionText(this.#rule.spec, at);
  }

  #end(key: number, atUs: number, reason?: AlertChange["reason"]): void {
    const transition = this.#states.end(key);
    if (!transition) return;
    const silence = this.#source.absences?.silence(key, atUs);
    const { endUs, value } = silence ? { endUs: silence.atUs, value: silence.watchedUs / 1e6 } : this.#states.last(key);
    if (silence) this.#incidents.see(key, value, this.#rule.worst);
    this.#emit(key, transition, { startUs: silence?.sinceUs ?? endUs, endUs, value, ...(reason && { reason }) });
  }

  #emit(key: number, transition: Transition, cause: Cause): void {
    const { spec, join } = this.#rule;
    const { position, output, keyHasher } = this.#context;
    const { task, sequence, storedAtUs } = position;
    const group = this.#source.labels(key);
    const labels = { ...spec.labels, ...group };
    const { startUs, endUs, value, values } = cause;
    const parts = join && values && partsOf(join, endUs, values);
    const { id: rule } = spec;
    const { state, activeAtUs } = transition;
    const { levels } = this.#rule;
    const severity = levels === undefined ? spec.severity : this.#levels.severity(key, levels);
    const worstSeverity = levels === undefined ? undefined : this.#levels.worse(key, severity);
    if (state === "resolved" || state === "inactive") this.#levels.forget(key);
    const condition = this.#conditionOf({ state, severity }, cause);
    const texts = this.#textsOf({
      ...{ value, labels, values, rule, severity, state, atUs: endUs, activeAtUs, condition },
    });
    const title = texts.summary ?? texts.description ?? rule;
    const incident = this.#incidents.factsAt(key, { from: transition.from, state, atUs: endUs, title });
    const { worst, title: incidentTitle, firedAtUs } = incident;
    const change: Draft<AlertChange> = {
      id: alertChangeId({ task, sequence, index: output.alerts.length }),
      incident: incidentId({ rule, keyHash: keyHasher.of(group), activeAtUs }),
      rule,
      severity,
      from: transition.from,
      state,
      key: group,
      labels,
      annotations: texts,
      atUs: endUs,
      processedAtUs: storedAtUs,
      activeAtUs,
      value,
      notify: spec.notify,
      evidence: {
        window: { startUs, endUs },
        aggregate: spec.absent === undefined ? this.#rule.valueName : "absent",
        value,
        ...(parts && { parts }),
        condition,
        watermarkUs: this.#source.watermarkUs(key),
        // The stored name is `partition` because each task once had exactly one partition.
        input: { partition: task, sequence },
      },
    };
    // No spreads, because alerts come by the hundred thousand.
    if (worstSeverity) change.worstSeverity = worstSeverity;
    if (cause.severityBefore) change.severityBefore = cause.severityBefore;
    if (worst !== undefined) change.worst = worst;
    if (incidentTitle !== undefined) change.title = incidentTitle;
    if (firedAtUs !== undefined) change.firedAtUs = firedAtUs;
    if (transition.isFlapping) change.flapping = true;
    if (cause.reason) change.reason = cause.reason;
    if (spec.shadow) change.muted = true;
    if (spec.inhibited_by.length > 0) change.inhibitedBy = spec.inhibited_by;
    output.alerts.push(change);
  }
}

/** The window and value of each series of a joined result that ends at `endUs`. */
function partsOf({ names }: JoinSpec, endUs: number, values: AggregateValues): EvidencePart[] {
  return names.map((joined) => {
    const { name, aggregate, sizeUs, offsetUs } = joined;
    const ownEndUs = lastEndUs(endUs, joined) - offsetUs;
    const window = { startUs: ownEndUs - sizeUs, endUs: ownEndUs };
    return { name, aggregate: aggregate.name, window, value: values[name] ?? Number.NaN };
  });
}

/** With levels: that of the severity while it fires, and of the least severe level before and after. */
function conditionText(
  spec: RuleSpec,
  { state, severity }: { readonly state: AlertState; readonly severity: Severity },
): string {
  if (spec.absent !== undefined) return state === "resolved" ? `not absent ${spec.absent}` : `absent ${spec.absent}`;
  const levels = spec.levels === undefined ? [] : levelsOf(spec);
  const { when = "", clear } = levels[0] ?? spec;
  if (state === "resolved") return clear ?? `not ${when}`;
  if (state === "inactive") return `not ${when}`;
  return levels.find((level) => level.severity === severity)?.when ?? when;
}
