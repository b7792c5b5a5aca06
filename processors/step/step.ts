import type { LogEntry, ReadingsEntry, SeriesTable } from "../../domain/frame-reader.ts";
import type { Series } from "../../domain/reading.ts";
import { compileRule, type Rule } from "../rules/compile.ts";
import type { RuleSpec } from "../rules/rule-spec.ts";
import { type EntryPosition, type RuleSnapshot, RuleState, type StepContext, type StepOutput } from "./rule-state.ts";
import { DUPLICATE, NEW, SeenTimes } from "./seen-times.ts";
import { TimerHeap } from "./timer-heap.ts";
import { LATE_APPLIED, LATE_DROPPED, ON_TIME } from "./tumbling-windows.ts";

export type { EntryPosition, StepOutput } from "./rule-state.ts";

/** What became of the readings that some rule wanted. */
export interface Ledger {
  readings: number;
  duplicates: number;
  lateApplied: number;
  lateDropped: number;
}

/** Observation times remembered per series, in runs: bounds the memory of a sensor with an irregular clock. */
const RUNS_MAX = 4096;
const KEYS_PER_RULE_MAX = 2 ** 32;

/**
 * One partition's deterministic fold over the log: the same entries give the same outputs, byte for byte. It reads no
 * clock; time is what the log says about its entries.
 */
export class Step {
  readonly #table: SeriesTable;
  readonly #context: StepContext;
  readonly #timers = new TimerHeap();
  #timerRule: RuleState[] = [];
  #timerKey: number[] = [];
  #rules: RuleState[] = [];
  /** By series: the rules that want it with their keys; undefined until the series was seen under these rules. */
  #wanted: (Wanted | undefined)[] = [];
  readonly #seen: (SeenTimes | undefined)[] = [];
  #nowUs = 0;
  #version = "";
  readonly ledger: Ledger = { readings: 0, duplicates: 0, lateApplied: 0, lateDropped: 0 };

  /** Entries given to `apply` must have been read with this table. */
  constructor(table: SeriesTable) {
    this.#table = table;
    const nowhere = { partition: 0, sequence: 0, storedAtUs: 0 };
    this.#context = { position: nowhere, output: { windows: [], alerts: [] } };
  }

  /** The version of the rule set in force; empty before the first. */
  get version(): string {
    return this.#version;
  }

  /** The processing time at which a mere tick would have an effect; Infinity when none would. */
  get nextDueUs(): number {
    return this.#timers.nextDueUs;
  }

  get keyCount(): number {
    return this.#timerKey.length;
  }

  /** Takes one entry in. Time passes first, then the entry acts. */
  apply(entry: LogEntry, position: EntryPosition): StepOutput {
    const output: StepOutput = { windows: [], alerts: [] };
    this.#context.position = position;
    this.#context.output = output;
    if (position.storedAtUs > this.#nowUs) this.#nowUs = position.storedAtUs;
    this.#passTime();
    if (entry.kind === "readings") this.#applyReadings(entry);
    else if (entry.kind === "rule_set") this.#applyRuleSet(entry.version, JSON.parse(entry.rulesJson));
    return output;
  }

  snapshot(): StepSnapshot {
    const series = this.#seen.flatMap((seen, id) =>
      seen ? [{ series: this.#table.series(id), times: seen.snapshot() }] : [],
    );
    return {
      nowUs: this.#nowUs,
      version: this.#version,
      ledger: { ...this.ledger },
      rules: this.#rules.map((rule) => rule.snapshot()),
      series,
    };
  }

  /** Only on a new step. */
  restore(snapshot: StepSnapshot): void {
    this.#nowUs = snapshot.nowUs;
    this.#version = snapshot.version;
    Object.assign(this.ledger, snapshot.ledger);
    for (const saved of snapshot.rules) {
      const state = new RuleState(compileRule(saved.spec), this.#context, this.#rules.length);
      this.#rules.push(state);
      state.restore(saved, () => this.#newTimer(state));
      this.#resetTimers(state);
    }
    for (const { series, times } of snapshot.series) {
      this.#seen[this.#table.idOf(series)] = SeenTimes.restore(times, RUNS_MAX);
    }
  }

  #passTime(): void {
    const timers = this.#timers;
    while (timers.nextDueUs <= this.#nowUs) {
      const timer = timers.next;
      const { windows } = this.#timerRule[timer] as RuleState;
      const key = this.#timerKey[timer] as number;
      windows.advance(key, this.#nowUs);
      timers.set(timer, windows.dueUs(key));
    }
  }

  #applyReadings(entry: ReadingsEntry): void {
    const { count, seriesId, atUs, values } = entry;
    const { ledger } = this;
    const nowUs = this.#nowUs;
    for (let i = 0; i < count; i++) {
      const id = seriesId[i] as number;
      const wanted = this.#wanted[id] ?? this.#resolve(id);
      if (wanted.rules.length === 0) continue;
      const at = atUs[i] as number;
      const seen = (this.#seen[id] as SeenTimes).add(at, wanted.horizonUs);
      ledger.readings++;
      if (seen !== NEW) {
        if (seen === DUPLICATE) ledger.duplicates++;
        else ledger.lateDropped++;
        continue;
      }
      const value = values[i] as number;
      let fate: number = ON_TIME;
      for (let j = 0; j < wanted.rules.length; j++) {
        const { windows, timers } = wanted.rules[j] as RuleState;
        const key = wanted.keys[j] as number;
        fate = Math.max(fate, windows.add(key, at, value, nowUs));
        this.#timers.set(timers[key] as number, windows.dueUs(key));
      }
      if (fate === LATE_APPLIED) ledger.lateApplied++;
      else if (fate === LATE_DROPPED) ledger.lateDropped++;
    }
  }

  #resolve(id: number): Wanted {
    const series = this.#table.series(id);
    const wanted: Wanted = { rules: [], keys: [], horizonUs: 0 };
    for (const state of this.#rules) {
      if (!wantsSeries(state.rule, series)) continue;
      wanted.rules.push(state);
      wanted.keys.push(state.keyFor(series, () => this.#newTimer(state)));
      const { sizeUs, latenessUs, retainUs } = state.rule;
      wanted.horizonUs = Math.max(wanted.horizonUs, sizeUs + latenessUs + retainUs);
    }
    if (wanted.rules.length > 0) this.#seen[id] ??= new SeenTimes(RUNS_MAX);
    this.#wanted[id] = wanted;
    return wanted;
  }

  /** Rules of the same id and shape keep their state; the others begin afresh, and end their incidents. */
  #applyRuleSet(version: string, specs: readonly RuleSpec[]): void {
    this.#version = version;
    const before = new Map(this.#rules.map((state) => [state.rule.spec.id, state]));
    const next: RuleState[] = [];
    for (const spec of specs) {
      const rule = compileRule(spec);
      const known = before.get(spec.id);
      if (known && known.rule.shape === rule.shape) {
        known.goOnAs(rule, next.length);
        before.delete(spec.id);
        next.push(known);
      } else next.push(new RuleState(rule, this.#context, next.length));
    }
    for (const gone of before.values()) gone.endAll();
    this.#rules = next;
    this.#wanted = [];
    this.#timers.clear();
    this.#timerRule = [];
    this.#timerKey = [];
    for (const state of next) {
      const keys = state.timers.length;
      state.timers.length = 0;
      for (let key = 0; key < keys; key++) state.timers.push(this.#newTimer(state, key));
      this.#resetTimers(state);
    }
  }

  #newTimer(state: RuleState, key = state.timers.length): number {
    this.#timerRule.push(state);
    const timer = this.#timerKey.push(key) - 1;
    // By rule, then key: the order does not depend on when a timer was made.
    this.#timers.register(timer, state.index * KEYS_PER_RULE_MAX + key);
    return timer;
  }

  #resetTimers(state: RuleState): void {
    for (const [key, timer] of state.timers.entries()) this.#timers.set(timer, state.windows.dueUs(key));
  }
}

interface Wanted {
  readonly rules: RuleState[];
  readonly keys: number[];
  horizonUs: number;
}

/** All that a step is: what `restore` takes. */
export interface StepSnapshot {
  readonly nowUs: number;
  readonly version: string;
  readonly ledger: Ledger;
  readonly rules: readonly RuleSnapshot[];
  readonly series: readonly { readonly series: Series; readonly times: Float64Array }[];
}

/** Texts have no aggregates yet. */
function wantsSeries(rule: Rule, series: Series): boolean {
  return series.kind !== "string" && rule.wants(series);
}
