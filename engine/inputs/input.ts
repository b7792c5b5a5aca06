import type { Series, Tags } from "../../domain/reading.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Blend, blendOf, mayBlend } from "../../rule-language/spec/blend.ts";
import type { Grouping } from "../../rule-language/spec/grouping.ts";
import { type ReadValue, readerOf } from "../aggregates/aggregates.ts";
import type { RuleAlerts } from "../alerts/rule-alerts.ts";
import type { AggregateValues } from "../rules/conditions.ts";
import type { InputSpec, WindowsSpec } from "../rules/rule.ts";
import { KeyTable } from "../state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import type { StepContext } from "../state/step-context.ts";
import { Absences } from "../windows/absences.ts";
import { CountWindows } from "../windows/count-windows.ts";
import { PaneWindows } from "../windows/pane-windows.ts";
import { SessionWindows } from "../windows/session-windows.ts";
import { SlidingWindows } from "../windows/sliding-windows.ts";
import { type Keyed, type OnWindow, RETRACTED, type Windows } from "../windows/windows.ts";
import type { Join } from "./join.ts";
import type { KeyTimers, TimedKeys } from "./key-timers.ts";
import type { Source } from "./source.ts";

const KEYS_PER_PAUSE = 2_000;
const NOTHING: AggregateValues = {};

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** ADR 12. The windows over some series, by key, computed once for all rules with the same input. */
export class Input implements Source, TimedKeys {
  readonly spec: InputSpec;
  readonly keyed: Keyed;
  readonly #windows: Windows | undefined;
  readonly absences: Absences | undefined;
  readonly sessions: SessionWindows | undefined;
  readonly timers: number[] = [];
  readonly #timers: KeyTimers;
  readonly #context: StepContext;
  #rules: readonly RuleAlerts[] = [];
  #emissions: readonly Emission[] = [];
  #joins: readonly JoinedInput[] = [];
  readonly #keys = new KeyTable();
  readonly #mayBlend: boolean;
  /** By key: the first series seen since the start. */
  readonly #firstOf: (Series | undefined)[] = [];
  #blend: Blend | undefined;
  index = 0;

  constructor(spec: InputSpec, context: StepContext, timers: KeyTimers) {
    this.spec = spec;
    this.#context = context;
    this.#timers = timers;
    this.#mayBlend = spec.windows.kind !== "absent" && mayBlend(spec.grouping);
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

  get grouping(): Grouping {
    return this.spec.grouping;
  }

  takes(series: Series): boolean {
    return this.spec.selector.matches(series);
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  /** Sets the rules to emit to, in the order of the rule set, and the joins. */
  connect(rules: readonly RuleAlerts[], joins: readonly JoinedInput[]): void {
    this.#rules = rules;
    this.#joins = joins;
    const emissions = new Map<string, { aggregates: readonly Aggregate[]; to: RuleAlerts[] }>();
    for (const alerts of rules) {
      const { aggregates, aggregatesKey } = alerts.rule;
      const emission = emissions.get(aggregatesKey);
      if (emission) emission.to.push(alerts);
      else emissions.set(aggregatesKey, { aggregates, to: [alerts] });
    }
    this.#emissions = [...emissions.values()].map(({ aggregates, to }) => ({
      aggregates: aggregates.map((aggregate) => ({ name: aggregate.name, read: readerOf(aggregate) })),
      rules: to.map(({ rule }) => rule.spec.id),
      alerting: to.filter(({ rule }) => rule.evaluate !== undefined),
    }));
  }

  labels(key: number): Tags {
    return this.#keys.labels(key);
  }

  watermarkUs(key: number): number {
    return this.#windows?.watermarkUs(key) ?? Number.NaN;
  }

  keys(): Iterable<readonly [number, Tags]> {
    return this.#keys.entries();
  }

  /** Series that share a key, if they probably should not. */
  get blend(): Blend | undefined {
    return this.#blend;
  }

  /** Notes that a key reads a series. */
  note(key: number, series: Series): void {
    if (!this.#mayBlend || this.#blend !== undefined) return;
    const first = this.#firstOf[key];
    if (first === undefined) this.#firstOf[key] = series;
    else this.#blend = blendOf(first, series);
  }

  keyFor(labels: Tags): number {
    const known = this.#keys.find(labels);
    if (known >= 0) return known;
    this.keyed.addKey();
    const key = this.#keys.add(labels);
    this.timers.push(this.#timers.add(this, key));
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

  *restore(from: SnapshotReader): Iterable<undefined> {
    for (let left = from.number(); left > 0; left--) {
      this.timers.push(this.#timers.add(this, this.#keys.add(this.#readLabels(from))));
      if (left % KEYS_PER_PAUSE === 0) yield;
    }
    this.keyed.restore(from);
  }

  /** Writes the values of listed labels only, since the input knows the names. A bit mask says which have a value. */
  #writeLabels(to: SnapshotWriter, labels: Tags): void {
    const { grouping } = this.spec;
    if (typeof grouping === "string") {
      const entries = Object.entries(labels);
      for (const [name, value] of entries) {
        to.text(name);
        to.text(value);
      }
      to.number(entries.length);
      return;
    }
    let present = 0;
    for (const [i, name] of grouping.entries()) {
      const value = labels[name];
      if (value === undefined) continue;
      present += 2 ** i;
      to.text(value);
    }
    to.number(present);
  }

  #readLabels(from: SnapshotReader): Tags {
    const { grouping } = this.spec;
    const present = from.number();
    const labels: Record<string, string> = {};
    if (typeof grouping === "string") {
      for (let left = present; left > 0; left--) {
        const name = from.text();
        labels[name] = from.text();
      }
      return labels;
    }
    for (const [i, name] of grouping.entries()) {
      if (Math.floor(present / 2 ** i) % 2 === 1) labels[name] = from.text();
    }
    return labels;
  }

  #onWindow(key: number, span: Span & { readonly revision: number }, record: number): void {
    const { startUs, endUs, revision } = span;
    const labels = this.#keys.labels(key);
    for (const { aggregates: wanted, rules, alerting } of this.#emissions) {
      const values = record === RETRACTED ? NOTHING : this.#compute(wanted, record, span);
      this.#context.output.results.push({ rules, labels, startUs, endUs, revision, aggregates: values });
      if (record === RETRACTED) continue;
      for (const alerts of alerting) alerts.onWindow(key, { startUs, endUs, values });
    }
    for (const { join, name, read } of this.#joins) {
      const { accumulators } = this.#windows as Windows;
      join.onWindow(name, key, labels, endUs, read(accumulators, record, span));
    }
  }

  #compute(wanted: Emission["aggregates"], record: number, span: Span): AggregateValues {
    const { accumulators } = this.#windows as Windows;
    const values: Record<string, number | string> = {};
    for (const { name, read } of wanted) values[name] = read(accumulators, record, span);
    return values;
  }
}

/**
 * A join over an aggregate of the input's windows (tumbling or hopping). The number is the index of the name in the
 * join.
 */
export interface JoinedInput {
  readonly join: Join;
  readonly name: number;
  readonly read: ReadValue;
}

/** One result per window, shared by all rules with the same aggregates. */
interface Emission {
  readonly aggregates: readonly { readonly name: string; readonly read: ReadValue }[];
  readonly rules: readonly string[];
  readonly alerting: readonly RuleAlerts[];
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
