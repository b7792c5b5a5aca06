import { grown } from "../../domain/grown.ts";
import type { Series, Tags } from "../../domain/reading.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Blend, blendOf, mayBlend } from "../../rule-language/spec/blend.ts";
import type { Grouping } from "../../rule-language/spec/grouping.ts";
import { WINDOWS_PER_KEY_MAX } from "../../rule-language/spec/window-cost.ts";
import { type ReadValue, readerOf } from "../aggregates/aggregates.ts";
import type { RuleAlerts } from "../alerts/rule-alerts.ts";
import type { AggregateValues } from "../rules/conditions.ts";
import type { InputSpec } from "../rules/rule.ts";
import { KeyTable } from "../state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import type { StepContext } from "../state/step-context.ts";
import { Absences } from "../windows/absences.ts";
import { makeWindows } from "../windows/make-windows.ts";
import { SessionWindows } from "../windows/session-windows.ts";
import { type Keyed, RETRACTED, type Windows } from "../windows/windows.ts";
import type { Join } from "./join.ts";
import type { KeyLives, MortalKeys } from "./key-lives.ts";
import type { KeyTimers, TimedKeys } from "./key-timers.ts";
import type { Source } from "./source.ts";
import { Spikes } from "./spikes.ts";

/** The most keys of an input. */
const KEYS_MAX = 1_000_000;
/** In place of a key: the input has as many as it may have. */
export const NO_ROOM = -1;
const KEYS_PER_PAUSE = 2_000;
const NOTHING: AggregateValues = {};
/** In a snapshot, in the place of the labels of a key that was forgotten. */
const FREE = -1;

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** ADR 12. The windows over some series, by key, computed once for all rules with the same input. */
export class Input implements Source, TimedKeys, MortalKeys {
  readonly spec: InputSpec;
  readonly reads: InputSpec["reads"];
  readonly spikes: Spikes | undefined;
  keyed: Keyed;
  #windows: Windows | undefined;
  absences: Absences | undefined;
  sessions: SessionWindows | undefined;
  /** Whether a key can have readings of several devices. */
  readonly isOverDevices: boolean;
  /** Its windows failed, or would be too many: it reads nothing until its rules are edited. */
  isStopped: boolean;
  readonly #keysMax: number;
  readonly timers: number[] = [];
  readonly lives: number[] = [];
  readonly #timers: KeyTimers<Input>;
  readonly #lives: KeyLives;
  readonly #context: StepContext;
  #rules: readonly RuleAlerts[] = [];
  #emissions: readonly Emission[] = [];
  #joins: readonly JoinedInput[] = [];
  #keys = new KeyTable();
  readonly #mayBlend: boolean;
  /** By key: the first series seen since the start. */
  readonly #firstOf: (Series | undefined)[] = [];
  #blend: Blend | undefined;
  /** The first text and the first boolean that `where` selects, whether it reads them or not. */
  #text: Series | undefined;
  #boolean: Series | undefined;
  /** By key: the processing time of its newest reading. */
  #heardUs: Float64Array = new Float64Array(0);
  /** By key: the time of the reading that came first; NaN before it. */
  #firstUs: Float64Array = new Float64Array(0);
  /** The longest of the rules that read it. */
  forgetUs = Number.POSITIVE_INFINITY;
  index = 0;

  constructor(
    spec: InputSpec,
    context: StepContext,
    clocks: { readonly timers: KeyTimers<Input>; readonly lives: KeyLives },
  ) {
    this.spec = spec;
    this.reads = spec.reads;
    this.spikes = spec.hampel && new Spikes(spec.hampel);
    this.#context = context;
    this.#timers = clocks.timers;
    this.#lives = clocks.lives;
    this.isOverDevices = typeof spec.grouping !== "string" && !spec.grouping.includes("device");
    this.#mayBlend = spec.windows.kind !== "absent" && mayBlend(spec.grouping);
    this.isStopped = spec.windowsPerKey > WINDOWS_PER_KEY_MAX;
    this.#keysMax = Math.max(1, Math.min(KEYS_MAX, Math.floor(context.windowsMax / spec.windowsPerKey)));
    this.keyed = this.#begin();
  }

  #begin(): Keyed {
    const { windows } = this.spec;
    if (windows.kind === "absent") {
      this.absences = new Absences(windows, (key, isAbsent, silence) => {
        let isAwaited = false;
        for (const rule of this.#rules) {
          if (rule.stopped === undefined) isAwaited = rule.onAbsence(key, isAbsent, silence) || isAwaited;
        }
        return isAwaited;
      });
      return this.absences;
    }
    this.#windows = makeWindows(windows, this.#context.fillBudget, (key, startUs, endUs, revision, record) =>
      this.#onWindow(key, { startUs, endUs, revision }, record),
    );
    this.sessions = this.#windows instanceof SessionWindows ? this.#windows : undefined;
    return this.#windows;
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

  get order(): number {
    return this.index;
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  /** The number of keys that are not forgotten. */
  get liveCount(): number {
    return this.#keys.count;
  }

  /** Sets the rules to emit to, in the order of the rule set, and the joins. */
  connect(rules: readonly RuleAlerts[], joins: readonly JoinedInput[]): void {
    this.#rules = rules;
    this.#joins = joins;
    const emissions = new Map<string, { aggregates: readonly Aggregate[]; to: RuleAlerts[] }>();
    for (const alerts of rules) {
      if (alerts.stopped !== undefined) continue;
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

  isProvisional(key: number, endUs: number): boolean {
    return this.spec.windows.kind === "filled" && endUs > this.watermarkUs(key);
  }

  keys(): Iterable<readonly [number, Tags]> {
    return this.#keys.entries();
  }

  /** Series that share a key, if they probably should not. */
  get blend(): Blend | undefined {
    return this.#blend;
  }

  /** Series of other kinds than numbers that `where` selects: the first of each kind. */
  get otherKinds(): readonly Series[] {
    return [this.#text, this.#boolean].filter((series) => series !== undefined);
  }

  /** Notes a series that `where` selects. */
  noteKind(series: Series): void {
    if (series.kind === "string") this.#text ??= series;
    else if (series.kind === "boolean") this.#boolean ??= series;
  }

  /** Notes that a key reads a series. */
  note(key: number, series: Series): void {
    if (!this.#mayBlend || this.#blend !== undefined) return;
    const first = this.#firstOf[key];
    if (first === undefined) this.#firstOf[key] = series;
    else this.#blend = blendOf(first, series);
  }

  keyFor(labels: Tags, heardUs?: number): number {
    const known = this.#keys.find(labels);
    if (known >= 0) {
      if (heardUs !== undefined) this.hear(known, Math.max(heardUs, this.heardUs(known)));
      return known;
    }
    if (this.#keys.count >= this.#keysMax) return NO_ROOM;
    const key = this.#keys.add(labels);
    this.keyed.addKey(key);
    this.timers[key] ??= this.#timers.add(this, key);
    this.#heardUs = grown(this.#heardUs, key + 1);
    this.#firstUs = grown(this.#firstUs, key + 1);
    this.#firstUs[key] = Number.NaN;
    this.hear(key, heardUs ?? this.#context.nowUs);
    this.#lives.begin(this, key);
    return key;
  }

  /** The key of a group; -1 if it has none. */
  find(labels: Tags): number {
    return this.#keys.find(labels);
  }

  *keyNumbers(): Iterable<number> {
    for (const [key] of this.#keys.entries()) yield key;
  }

  /** A reading of the key arrived. Runs for every reading. */
  hear(key: number, nowUs: number): void {
    this.#heardUs[key] = nowUs;
  }

  /** The key reads a value. Runs for every reading. */
  begin(key: number, atUs: number): void {
    if (Number.isNaN(this.#firstUs[key])) this.#firstUs[key] = atUs;
  }

  isPartial(key: number, startUs: number): boolean {
    return startUs < (this.#firstUs[key] as number);
  }

  heardUs(key: number): number {
    return this.#heardUs[key] as number;
  }

  /** Drops all state, which an error has left half changed. */
  stop(): void {
    this.isStopped = true;
    for (const key of this.keyNumbers()) {
      for (const alerts of this.#rules) alerts.lose(key);
      for (const { join, name } of this.#joins) join.forgetInput(name, key);
      this.#timers.set(this.timers[key] as number, Number.POSITIVE_INFINITY);
      this.#lives.end(this, key);
    }
    this.#keys = new KeyTable();
    this.keyed = this.#begin();
  }

  forget(key: number, atUs: number): void {
    for (const alerts of this.#rules) alerts.forget(key, atUs);
    for (const { join, name } of this.#joins) join.forgetInput(name, key);
    this.keyed.freeKey(key);
    this.spikes?.forget(key);
    this.#firstOf[key] = undefined;
    this.#timers.set(this.timers[key] as number, Number.POSITIVE_INFINITY);
    this.#keys.remove(key);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#keys.size);
    for (let key = 0; key < this.#keys.size; key++) {
      const labels = this.#keys.labelsOrNone(key);
      if (labels === undefined) to.number(FREE);
      else this.#writeLabels(to, labels);
      if (key % KEYS_PER_PAUSE === 0) yield;
    }
    yield* this.keyed.snapshot(to);
    this.spikes?.snapshot(to, this.#keys.size);
  }

  snapshotLives(to: SnapshotWriter): void {
    to.doubles(Float64Array.from(this.#keys.free));
    to.doubles(this.#heardUs.subarray(0, this.#keys.size));
  }

  /** Without `from`: the snapshot is older than forgetting, so every key counts as heard now. */
  restoreLives(from: SnapshotReader | undefined): void {
    if (from !== undefined) this.#keys.restoreFree(from.doubles());
    this.#heardUs = from?.doubles() ?? new Float64Array(this.#keys.size).fill(this.#context.nowUs);
  }

  snapshotFirst(to: SnapshotWriter): void {
    to.doubles(this.#firstUs.subarray(0, this.#keys.size));
  }

  /** Without `from`: the snapshot is older than this, and windows are taken as whole. */
  restoreFirst(from: SnapshotReader | undefined): void {
    this.#firstUs = from?.doubles() ?? new Float64Array(this.#keys.size).fill(Number.NEGATIVE_INFINITY);
  }

  *restore(from: SnapshotReader): Iterable<undefined> {
    for (let left = from.number(); left > 0; left--) {
      this.timers.push(this.#timers.add(this, this.#keys.restoreNext(this.#readLabels(from))));
      if (left % KEYS_PER_PAUSE === 0) yield;
    }
    this.keyed.restore(from);
    this.spikes?.restore(from, this.#keys.size);
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

  #readLabels(from: SnapshotReader): Tags | undefined {
    const { grouping } = this.spec;
    const present = from.number();
    if (present === FREE) return undefined;
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
