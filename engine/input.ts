import type { Series, Tags } from "../domain/reading.ts";
import type { Aggregate } from "../rule-language/aggregates/aggregate.ts";
import type { Join } from "./join.ts";
import type { RuleState, StepContext } from "./rule-state.ts";
import type { InputSpec, WindowsSpec } from "./rules/compile.ts";
import type { Source } from "./source.ts";
import { KeyTable } from "./state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "./state/snapshot-io.ts";
import { Absences } from "./windows/absences.ts";
import { CountWindows } from "./windows/count-windows.ts";
import { PaneWindows } from "./windows/pane-windows.ts";
import { SessionWindows } from "./windows/session-windows.ts";
import { SlidingWindows } from "./windows/sliding-windows.ts";
import { type Keyed, type OnWindow, RETRACTED, type Windows } from "./windows/windows.ts";

const KEYS_PER_PAUSE = 2_000;
const NOTHING: Readonly<Record<string, number | string>> = {};

/** Readings of some series, by key, in windows; for all rules that ask for the same. */
export class Input implements Source {
  readonly spec: InputSpec;
  readonly keyed: Keyed;
  readonly #windows: Windows | undefined;
  readonly absences: Absences | undefined;
  readonly sessions: SessionWindows | undefined;
  /** The partition-wide timer of each key. */
  readonly timers: number[] = [];
  readonly #context: StepContext;
  #rules: readonly RuleState[] = [];
  #tellings: readonly Telling[] = [];
  #listeners: readonly Listener[] = [];
  readonly #keys = new KeyTable();
  /** The input's place in its rule set. */
  index = 0;

  constructor(spec: InputSpec, context: StepContext) {
    this.spec = spec;
    this.#context = context;
    if (spec.windows.kind === "absent") {
      this.absences = new Absences(spec.windows, (key, isAbsent, silence) => {
        let isAwaited = false;
        for (const rule of this.#rules) isAwaited = rule.onAbsence(key, isAbsent, silence) || isAwaited;
        return isAwaited;
      });
      this.keyed = this.absences;
    } else {
      this.#windows = makeWindows(spec.windows, (key, startUs, endUs, revision, record) =>
        this.#onWindow(key, { startUs, endUs, revision }, record),
      );
      this.keyed = this.#windows;
      if (this.#windows instanceof SessionWindows) this.sessions = this.#windows;
    }
  }

  get identity(): string {
    return this.spec.identity;
  }

  get groupBy(): readonly string[] {
    return this.spec.groupBy;
  }

  takes(series: Series): boolean {
    return this.spec.selector.matches(series);
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  /** In the order of the rule set. */
  feed(rules: readonly RuleState[], listeners: readonly Listener[]): void {
    this.#rules = rules;
    this.#listeners = listeners;
    const tellings = new Map<string, { aggregates: readonly Aggregate[]; states: RuleState[] }>();
    for (const state of rules) {
      const { aggregates, aggregatesKey } = state.rule;
      const telling = tellings.get(aggregatesKey);
      if (telling) telling.states.push(state);
      else tellings.set(aggregatesKey, { aggregates, states: [state] });
    }
    this.#tellings = [...tellings.values()].map(({ aggregates, states }) => ({
      aggregates,
      rules: states.map(({ rule }) => rule.spec.id),
      alerting: states.filter(({ rule }) => rule.judge !== undefined),
    }));
  }

  labels(key: number): Tags {
    return this.#keys.labels(key);
  }

  watermarkUs(key: number): number {
    return this.#windows?.watermarkUs(key) ?? Number.NaN;
  }

  /** Keys with their labels. */
  keys(): Iterable<readonly [number, Tags]> {
    return this.#keys.entries();
  }

  /** The key of a group; a new one when there is none. */
  keyFor(labels: Tags, newTimer: (input: Input, key: number) => number): number {
    const known = this.#keys.find(labels);
    if (known >= 0) return known;
    this.keyed.addKey();
    const key = this.#keys.add(labels);
    this.timers.push(newTimer(this, key));
    return key;
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#keys.size);
    for (const [key, labels] of this.#keys.entries()) {
      this.#writeLabels(to, labels);
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
    yield* this.keyed.snapshot(to);
  }

  *restore(from: SnapshotReader, newTimer: (key: number) => number): Iterable<undefined> {
    for (let left = from.number(); left > 0; left--) {
      this.timers.push(newTimer(this.#keys.add(this.#readLabels(from))));
      if (left % KEYS_PER_PAUSE === 0) yield;
    }
    this.keyed.restore(from);
  }

  /** The values only: the names are the input's own. A number says which are there. */
  #writeLabels(to: SnapshotWriter, labels: Tags): void {
    let there = 0;
    for (const [i, name] of this.spec.groupBy.entries()) {
      const value = labels[name];
      if (value === undefined) continue;
      there += 2 ** i;
      to.text(value);
    }
    to.number(there);
  }

  #readLabels(from: SnapshotReader): Tags {
    const there = from.number();
    const labels: Record<string, string> = {};
    for (const [i, name] of this.spec.groupBy.entries()) {
      if (Math.floor(there / 2 ** i) % 2 === 1) labels[name] = from.text();
    }
    return labels;
  }

  #onWindow(key: number, span: { startUs: number; endUs: number; revision: number }, record: number): void {
    const { startUs, endUs, revision } = span;
    const labels = this.#keys.labels(key);
    for (const { aggregates: wanted, rules, alerting } of this.#tellings) {
      const aggregates = record === RETRACTED ? NOTHING : this.#compute(wanted, record, span);
      this.#context.output.results.push({ rules, labels, startUs, endUs, revision, aggregates });
      if (record === RETRACTED) continue;
      for (const state of alerting) state.onWindow(key, { startUs, endUs, told: aggregates });
    }
    for (const { join, name, aggregate } of this.#listeners) {
      const { accumulators } = this.#windows as Windows;
      join.take(name, key, labels, endUs, accumulators.value(record, aggregate, span));
    }
  }

  #compute(wanted: readonly Aggregate[], record: number, span: { startUs: number; endUs: number }) {
    const { accumulators } = this.#windows as Windows;
    const aggregates: Record<string, number | string> = {};
    for (const aggregate of wanted) aggregates[aggregate.name] = accumulators.value(record, aggregate, span);
    return aggregates;
  }
}

/** A join that looks at an aggregate of the input's windows, under the name of this number. Only of panes. */
export interface Listener {
  readonly join: Join;
  readonly name: number;
  readonly aggregate: Aggregate;
}

/** Rules that tell the same aggregates. */
interface Telling {
  readonly aggregates: readonly Aggregate[];
  readonly rules: readonly string[];
  readonly alerting: readonly RuleState[];
}

function makeWindows(spec: Exclude<WindowsSpec, { kind: "absent" }>, onWindow: OnWindow): Windows {
  switch (spec.kind) {
    case "panes":
      return new PaneWindows(spec, onWindow);
    case "sliding":
      return new SlidingWindows(spec, onWindow);
    case "session":
      return new SessionWindows(spec, onWindow);
    case "count":
      return new CountWindows(spec, onWindow);
  }
}
