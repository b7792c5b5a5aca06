import type { LogEntry, ReadingsEntry, SeriesTable } from "../domain/frame-reader.ts";
import type { Tags } from "../domain/reading.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { groupLabels } from "../rule-language/spec/selector.ts";
import { Input, type Listener } from "./input.ts";
import { Join } from "./join.ts";
import { CLOCK_AHEAD_COUNT, DeviceLedgers, DUPLICATE_COUNT, LATE_DROPPED_COUNT, type Ledger } from "./ledger.ts";
import { type EntryPosition, RuleState, type StepContext, StepOutput } from "./rule-state.ts";
import { compileRule, type JoinSpec, type Rule } from "./rules/compile.ts";
import { SeriesIndex } from "./series-index.ts";
import type { Source } from "./source.ts";
import { keyName } from "./state/key-table.ts";
import { SeenBySeries } from "./state/seen-by-series.ts";
import { DUPLICATE, NEW } from "./state/seen-times.ts";
import { type SnapshotPart, SnapshotReader, SnapshotWriter } from "./state/snapshot-io.ts";
import { TimerHeap } from "./state/timer-heap.ts";
import { Wanted } from "./wanted.ts";
import { LATE_DROPPED } from "./windows/windows.ts";

export type { Ledger } from "./ledger.ts";
export type { EntryPosition, StepOutput } from "./rule-state.ts";

export interface StepOptions {
  /** Which rules of a set this step runs; all when left out. */
  readonly runs?: (spec: RuleSpec) => boolean;
  /** Which groups it computes; all when left out. */
  readonly belongs?: (labels: Tags) => boolean;
}

const KEYS_PER_INPUT_MAX = 2 ** 32;
/** While absences are awaited, a quiet partition is written to this often... */
const HEARTBEAT_US = 10_000_000;
/** ...so a longer pause means that nobody was watching. */
const BLIND_AFTER_US = 30_000_000;
const SERIES_PER_PAUSE = 2_000;
const RULES_PER_PAUSE = 200;

/**
 * One task's deterministic fold over its log: the same entries give the same outputs, byte for byte. It reads no
 * clock; time is what the log says about its entries. What it does is defined in docs/windows.md.
 */
export class Step {
  readonly #table: SeriesTable;
  readonly #options: StepOptions;
  readonly #context: StepContext;
  readonly #timers = new TimerHeap();
  #timerInput: Input[] = [];
  #timerKey: number[] = [];
  #rules: RuleState[] = [];
  #inputs: Input[] = [];
  #joins: Join[] = [];
  #index = new SeriesIndex([]);
  #wanted = new Wanted();
  readonly #seen = new SeenBySeries();
  readonly #ledgers = new DeviceLedgers();
  #nowUs = 0;
  #watches = false;
  #version = "";

  /** Entries given to `apply` must have been read with this table. */
  constructor(table: SeriesTable, options: StepOptions = {}) {
    this.#table = table;
    this.#options = options;
    const nowhere = { partition: 0, sequence: 0, storedAtUs: 0 };
    this.#context = { position: nowhere, output: new StepOutput() };
  }

  /** The version of the rule set in force; empty before the first. */
  get version(): string {
    return this.#version;
  }

  /** The processing time at which a mere tick would have an effect; Infinity when none would. */
  get nextDueUs(): number {
    const heartbeatUs = this.#watches ? this.#nowUs + HEARTBEAT_US : Number.POSITIVE_INFINITY;
    return Math.min(this.#timers.nextDueUs, heartbeatUs);
  }

  /** Keys of all inputs. */
  get keyCount(): number {
    return this.#timerKey.length;
  }

  get ledger(): Ledger {
    return this.#ledgers.total;
  }

  get ledgers(): DeviceLedgers {
    return this.#ledgers;
  }

  /** Takes one entry in. Time passes first, then the entry acts. */
  apply(entry: LogEntry, position: EntryPosition): StepOutput {
    const output = new StepOutput();
    this.#context.position = position;
    this.#context.output = output;
    if (position.storedAtUs > this.#nowUs) this.#passTime(position.storedAtUs);
    if (entry.kind === "readings") this.#applyReadings(entry);
    else if (entry.kind === "rule_set") {
      this.#applyRuleSet(entry.version, JSON.parse(entry.rulesJson));
      // An edit can make an absence overdue.
      this.#letHappen();
    }
    return output;
  }

  /**
   * In small parts that a structured clone can carry; the step must not be applied to before the last is serialized.
   * Undefined where there is no part yet: whoever iterates may do something else then.
   */
  *snapshot(): Iterable<SnapshotPart | undefined> {
    const to = new SnapshotWriter();
    for (const _ of this.#write(to)) {
      yield* to.takeReady();
      yield undefined;
    }
    yield* to.takeRest();
  }

  /** Only on a new step with the same options. Throws BadSnapshotError. */
  restore(parts: Iterable<unknown>): void {
    for (const _ of this.restoring(parts));
  }

  /** `restore`, in steps: whoever iterates may do something else between them. */
  *restoring(parts: Iterable<unknown>): Iterable<undefined> {
    const from = new SnapshotReader(parts);
    this.#nowUs = from.number();
    this.#version = from.text();
    const rules: Rule[] = [];
    for (let left = from.number(); left > 0; left--) {
      const spec: RuleSpec = JSON.parse(from.text());
      rules.push(compileRule(spec));
      if (left % RULES_PER_PAUSE === 0) yield;
    }
    this.#putInForce(rules);
    for (const input of this.#inputs) yield* input.restore(from, (key) => this.#newTimer(input, key));
    for (const join of this.#joins) yield* join.restore(from);
    for (const [i, state] of this.#rules.entries()) {
      state.restore(from);
      if (i % RULES_PER_PAUSE === 0) yield;
    }
    this.#ledgers.restore(from);
    const ids: number[] = [];
    for (let left = from.number(); left > 0; left--) {
      ids.push(this.#table.idOfOwn(from.bytes()));
      if (left % SERIES_PER_PAUSE === 0) yield;
    }
    yield* this.#seen.restore(from, ids);
    this.#resetTimers();
  }

  *#write(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#nowUs);
    to.text(this.#version);
    to.number(this.#rules.length);
    for (const [i, state] of this.#rules.entries()) {
      to.text(JSON.stringify(state.rule.spec));
      if (i % RULES_PER_PAUSE === 0) yield;
    }
    for (const input of this.#inputs) yield* input.snapshot(to);
    for (const join of this.#joins) yield* join.snapshot(to);
    for (const [i, state] of this.#rules.entries()) {
      state.snapshot(to);
      if (i % RULES_PER_PAUSE === 0) yield;
    }
    yield* this.#ledgers.snapshot(to);
    const ids = this.#seenIds();
    to.number(ids.length);
    for (const [i, id] of ids.entries()) {
      to.bytes(this.#table.encoded(id));
      if (i % SERIES_PER_PAUSE === 0) yield;
    }
    yield* this.#seen.snapshot(to, ids);
  }

  #passTime(nowUs: number): void {
    const pauseUs = nowUs - this.#nowUs;
    if (this.#nowUs > 0 && pauseUs > BLIND_AFTER_US) this.#blind(this.#nowUs, nowUs);
    this.#nowUs = nowUs;
    this.#letHappen();
  }

  /** All that is due by now. */
  #letHappen(): void {
    const timers = this.#timers;
    while (timers.nextDueUs <= this.#nowUs) {
      const timer = timers.next;
      const { keyed } = this.#timerInput[timer] as Input;
      const key = this.#timerKey[timer] as number;
      keyed.advance(key, timers.nextDueUs);
      timers.set(timer, keyed.dueUs(key));
    }
  }

  /** Nobody watched in that time: it does not count as silence. */
  #blind(fromUs: number, untilUs: number): void {
    for (const { absences, timers } of this.#inputs) {
      if (!absences) continue;
      absences.passBlind(fromUs, untilUs);
      for (const [key, timer] of timers.entries()) this.#timers.set(timer, absences.dueUs(key));
    }
  }

  #applyReadings(entry: ReadingsEntry): void {
    const { count, seriesId, atUs, values, texts, clockAhead } = entry;
    const wanted = this.#wanted;
    for (let i = 0; i < count; i++) {
      const id = seriesId[i] as number;
      if (!wanted.knows(id)) this.#resolve(id);
      const first = wanted.first(id);
      const end = wanted.end(id);
      if (first === end) continue;
      const at = atUs[i] as number;
      const seen = this.#seen.add(
        id,
        at,
        wanted.hasSessions(id) ? this.#sessionHorizonUs(id, at) : wanted.horizonUs(id),
      );
      if (seen !== NEW) {
        if (wanted.hasAbsences(id)) this.#hear(id, at);
        this.#ledgers.count(wanted.ledger(id), seen === DUPLICATE ? DUPLICATE_COUNT : LATE_DROPPED_COUNT);
        continue;
      }
      const value = values[i] as number;
      const text = wanted.isText(id) ? texts[value] : undefined;
      let fate: number = LATE_DROPPED;
      for (let place = first; place < end; place++) {
        fate = Math.max(fate, this.#give(wanted.input(place), wanted.key(place), at, value, text));
      }
      this.#ledgers.count(wanted.ledger(id), fate);
    }
    for (const i of clockAhead) {
      const id = seriesId[i] as number;
      if (wanted.first(id) < wanted.end(id)) this.#ledgers.count(wanted.ledger(id), CLOCK_AHEAD_COUNT);
    }
  }

  #give({ keyed, timers }: Input, key: number, atUs: number, value: number, text: string | undefined): number {
    const nowUs = this.#nowUs;
    const fate = keyed.add(key, atUs, value, text, nowUs);
    let dueUs = keyed.dueUs(key);
    // A window may come to be when it is overdue already.
    while (dueUs <= nowUs) {
      keyed.advance(key, dueUs);
      dueUs = keyed.dueUs(key);
    }
    this.#timers.set(timers[key] as number, dueUs);
    return fate;
  }

  /** A session may be of any length, and a repeated reading anywhere in it must be known. */
  #sessionHorizonUs(id: number, atUs: number): number {
    const wanted = this.#wanted;
    let horizonUs = wanted.horizonUs(id);
    for (let place = wanted.first(id); place < wanted.end(id); place++) {
      const oldestUs = wanted.input(place).sessions?.oldestUs(wanted.key(place));
      if (oldestUs !== undefined) horizonUs = Math.max(horizonUs, atUs - oldestUs);
    }
    return horizonUs;
  }

  /** A repeated reading is a sign of life like any other. */
  #hear(id: number, atUs: number): void {
    const wanted = this.#wanted;
    for (let place = wanted.first(id); place < wanted.end(id); place++) {
      const input = wanted.input(place);
      if (input.absences) this.#give(input, wanted.key(place), atUs, Number.NaN, undefined);
    }
  }

  #resolve(id: number): void {
    const series = this.#table.series(id);
    const { belongs = () => true } = this.#options;
    const asks: { input: Input; key: number }[] = [];
    for (const input of this.#index.wanting(series)) {
      const labels = groupLabels(input.spec.groupBy, series);
      if (belongs(labels)) asks.push({ input, key: this.#keyFor(input, labels) });
    }
    const ledger = asks.length > 0 ? this.#ledgers.placeOf(series.device) : -1;
    this.#wanted.set(id, asks, { isText: series.kind === "string", ledger });
  }

  #keyFor(source: Source, labels: Tags): number {
    return source.keyFor(labels, (input, key) => this.#newTimer(input, key));
  }

  /** Inputs that are still asked for go on; alerts go on where their rule's group stays the same. */
  #applyRuleSet(version: string, specs: readonly RuleSpec[]): void {
    this.#version = version;
    const before = this.#rules;
    const { runs = () => true } = this.#options;
    this.#putInForce(specs.filter(runs).map(compileRule));
    const stays = new Map(this.#rules.map((state) => [state.rule.spec.id, state]));
    for (const old of before) {
      const next = stays.get(old.rule.spec.id);
      if (next === old) continue;
      if (next === undefined || !canTakeOver(old.rule, next.rule)) old.endAll();
      else this.#handOver(old, next);
    }
    this.#resetTimers();
  }

  #putInForce(rules: readonly Rule[]): void {
    const inputs = new Map(this.#inputs.map((input) => [input.identity, input]));
    const joins = new Map(this.#joins.map((join) => [join.identity, join]));
    const before = new Map(this.#rules.map((state) => [state.rule.spec.id, state]));
    const used = new Map<Source, RuleState[]>();
    const listeners = new Map<Input, Listener[]>();
    this.#rules = rules.map((rule) => {
      const own = rule.inputs.map((spec) => {
        const input = inputs.get(spec.identity) ?? new Input(spec, this.#context);
        inputs.set(spec.identity, input);
        if (!listeners.has(input)) listeners.set(input, []);
        return input;
      });
      const source = rule.join ? this.#joinFor(rule.join, joins) : (own[0] as Input);
      if (source instanceof Join && !used.has(source)) {
        for (const [name, { aggregate }] of source.spec.names.entries())
          listeners.get(own[name] as Input)?.push({ join: source, name, aggregate });
      }
      const old = before.get(rule.spec.id);
      const goesOn = old !== undefined && old.source === source && canTakeOver(old.rule, rule);
      if (goesOn) old.goOnAs(rule);
      const state = goesOn ? old : new RuleState(rule, source, this.#context);
      used.set(source, [...(used.get(source) ?? []), state]);
      return state;
    });
    this.#inputs = [...listeners.keys()];
    this.#joins = [...used.keys()].filter((source) => source instanceof Join);
    for (const join of this.#joins) join.feed(used.get(join) ?? []);
    for (const [index, input] of this.#inputs.entries()) {
      input.index = index;
      input.feed(used.get(input) ?? [], listeners.get(input) ?? []);
    }
    this.#watches = this.#inputs.some(({ absences }) => absences !== undefined);
    this.#index = new SeriesIndex(this.#inputs);
    this.#wanted = new Wanted();
  }

  #joinFor(spec: JoinSpec, joins: Map<string, Join>): Join {
    const join = joins.get(spec.identity) ?? new Join(spec, this.#context);
    joins.set(spec.identity, join);
    return join;
  }

  /** The groups of which the new form of a rule still takes a series keep their alerts; the others end. */
  #handOver(old: RuleState, next: RuleState): void {
    const kept = new Set<string>();
    for (const id of this.#seenIds()) {
      const series = this.#table.series(id);
      if (old.source.takes(series) && next.source.takes(series))
        kept.add(keyName(groupLabels(old.source.groupBy, series)));
    }
    for (const [key, labels] of old.source.keys()) {
      if (!kept.has(keyName(labels))) old.end(key);
      else if (old.source.absences !== undefined || old.hasHistory(key)) {
        const nextKey = this.#keyFor(next.source, labels);
        next.adopt(nextKey, old, key);
        if (old.source.absences) next.source.absences?.adopt(nextKey, old.source.absences, key, this.#nowUs);
      }
    }
  }

  #newTimer(input: Input, key: number): number {
    this.#timerInput.push(input);
    const timer = this.#timerKey.push(key) - 1;
    // By input, then key: the order does not depend on when a timer was made.
    this.#timers.register(timer, input.index * KEYS_PER_INPUT_MAX + key);
    return timer;
  }

  #resetTimers(): void {
    this.#timers.clear();
    this.#timerInput = [];
    this.#timerKey = [];
    for (const input of this.#inputs) {
      const { keyed, timers, keyCount } = input;
      timers.length = 0;
      for (let key = 0; key < keyCount; key++) timers.push(this.#newTimer(input, key));
      for (const [key, timer] of timers.entries()) this.#timers.set(timer, keyed.dueUs(key));
    }
  }

  #seenIds(): number[] {
    const ids: number[] = [];
    for (let id = 0; id < this.#table.size; id++) if (this.#seen.has(id)) ids.push(id);
    return ids;
  }
}

/** Whether an alert means the same under the new form of its rule. */
function canTakeOver(old: Rule, next: Rule): boolean {
  const isAbout = ({ spec }: Rule) => JSON.stringify([spec.group_by, spec.absent !== undefined]);
  const hasAlert = next.spec.absent !== undefined || next.judge !== undefined;
  return hasAlert && isAbout(old) === isAbout(next);
}
