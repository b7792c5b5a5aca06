import { KeyHasher } from "../domain/alert-ids.ts";
import { type LogEntry, type ReadingsEntry, type SeriesTable, storedBefore } from "../domain/frame-reader.ts";
import { deviceKey, type Series, type Tags } from "../domain/reading.ts";
import { checkedRuleSet } from "../rule-language/spec/read-rule-set.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import type { Input } from "./inputs/input.ts";
import { SeriesRoutes } from "./inputs/series-routes.ts";
import { RulesInForce } from "./rules-in-force.ts";
import {
  CLOCK_AHEAD_COUNT,
  DeviceLedgers,
  DUPLICATE_COUNT,
  LATE_DROPPED_COUNT,
  type Ledger,
} from "./state/device-ledgers.ts";
import { LastHeard } from "./state/last-heard.ts";
import { OtherKinds } from "./state/other-kinds.ts";
import { SeenBySeries } from "./state/seen-by-series.ts";
import { DUPLICATE, NEW, type Seen } from "./state/seen-times.ts";
import { type SnapshotPart, SnapshotReader, SnapshotWriter } from "./state/snapshot-io.ts";
import { type EntryPosition, FILLED_PER_ENTRY_MAX, type StepContext, StepOutput } from "./state/step-context.ts";
import { LATE_DROPPED, LEFT_OUT, ON_TIME } from "./windows/windows.ts";

export type { Ledger } from "./state/device-ledgers.ts";
export type { EntryPosition, StepOutput } from "./state/step-context.ts";

export interface StepOptions {
  /** Which rules of a set this step runs; all by default. */
  readonly runs?: (spec: RuleSpec) => boolean;
  /** Which groups it computes; all by default. */
  readonly belongs?: (labels: Tags) => boolean;
  /** The most windows that the keys of one rule may keep in all. It changes results; default 2^24. */
  readonly windowsMax?: number;
  /** The step does not know this series any more, so that its id can be used again. */
  readonly onSeriesForgotten?: (id: number) => void;
}

/** While a rule waits for absences, a quiet log gets a tick at this interval... */
const HEARTBEAT_US = 10_000_000;
/** ...so a longer pause was unwatched. */
const UNWATCHED_AFTER_US = 30_000_000;
const SERIES_PER_PAUSE = 2_000;
const WINDOWS_MAX = 2 ** 24;

/**
 * The deterministic fold of one task over its log: the same entries give the same outputs, byte for byte. It reads no
 * clock and uses no randomness; time is the stored time of the entries. docs/windows.md defines the results, and
 * test/simulation compares them with an independent implementation of that page. `SeriesRoutes` routes a reading to
 * the keys of inputs (`inputs/`), which keep windows (`windows/`, `aggregates/`). Closed windows go to the alerts of
 * rules (`alerts/`). Snapshots have a fixed layout: a state saved by an older version must restore.
 */
export class Step {
  readonly #table: SeriesTable;
  readonly #options: StepOptions;
  readonly #context: StepContext;
  readonly #rules: RulesInForce;
  #routes = new SeriesRoutes();
  readonly #seen = new SeenBySeries();
  readonly #kinds: OtherKinds;
  readonly #ledgers = new DeviceLedgers();
  /** By series. */
  readonly #heard = new LastHeard();
  /** Series of which a rule has no room for the key. There can be room at the next reading. */
  readonly #refused = new Set<number>();
  #refusals = 0;
  #nowUs = 0;
  #version = "";

  /** Entries passed to `apply` must have been read with this table. */
  constructor(table: SeriesTable, options: StepOptions = {}) {
    this.#table = table;
    this.#kinds = new OtherKinds(table);
    this.#options = options;
    const nowhere = { task: 0, sequence: 0, storedAtUs: 0 };
    this.#context = {
      position: nowhere,
      output: new StepOutput(),
      nowUs: 0,
      fillBudget: { left: 0 },
      windowsMax: options.windowsMax ?? WINDOWS_MAX,
      keyHasher: new KeyHasher(),
    };
    this.#rules = new RulesInForce(this.#context);
  }

  /** The version of the rule set in force; empty before the first. */
  get version(): string {
    return this.#version;
  }

  /** The processing time from which a tick has an effect; Infinity if none would. */
  get nextDueUs(): number {
    const heartbeatUs = this.#rules.watches ? this.#nowUs + HEARTBEAT_US : Number.POSITIVE_INFINITY;
    return Math.min(this.#rules.nextDueUs, heartbeatUs);
  }

  /** The number of keys of all inputs. */
  get keyCount(): number {
    return this.#rules.keyCount;
  }

  get ledger(): Ledger {
    return this.#ledgers.total;
  }

  /** How many readings some rule has not read since the start, because it had no room for their keys. */
  get refusals(): number {
    return this.#refusals;
  }

  /** The rules that are skipped until they are edited, and why. */
  get quarantined(): ReadonlyMap<string, string> {
    return this.#rules.quarantined;
  }

  /** What the rules in force have found out about themselves. */
  get found(): Pick<RulesInForce, "blends" | "otherKinds" | "quarantined"> {
    return this.#rules;
  }

  get ledgers(): DeviceLedgers {
    return this.#ledgers;
  }

  /** Applies one entry. Time passes first, then the entry takes effect. */
  apply(entry: LogEntry, position: EntryPosition): StepOutput {
    const output = new StepOutput();
    this.#context.position = position;
    this.#context.output = output;
    this.#context.fillBudget.left = FILLED_PER_ENTRY_MAX;
    if (position.storedAtUs > this.#nowUs) this.#passTime(position.storedAtUs);
    if (entry.kind === "readings") this.#applyReadings(entry);
    else if (entry.kind === "rule_set") {
      this.#applyRuleSet(entry.version, checkedRuleSet(entry.rulesJson));
      // After an edit, an absence can be overdue, and a key can have been silent for too long.
      this.#rules.advance(this.#nowUs, this.#nowUs);
    } else if (entry.kind === "gone") this.#rules.leave(entry.devices, this.#nowUs);
    this.#sweep();
    return output;
  }

  /**
   * Returns parts small enough to clone without blocking. Do not apply entries before the last part is serialized.
   * Undefined when no part is ready yet, so that the caller can do other work in between.
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

  /** Like `restore`, but yields between small parts, so that the caller can do other work. */
  *restoring(parts: Iterable<unknown>): Iterable<undefined> {
    const from = new SnapshotReader(parts);
    this.#nowUs = from.number();
    this.#context.nowUs = this.#nowUs;
    this.#version = from.text();
    yield* this.#rules.restore(from);
    this.#ledgers.restore(from, this.#nowUs);
    const ids: number[] = [];
    for (let left = from.number(); left > 0; left--) {
      ids.push(this.#table.idOfOwn(from.bytes()));
      if (left % SERIES_PER_PAUSE === 0) yield;
    }
    yield* this.#seen.restore(from, ids);
    // A state of an older version ends here.
    if (from.hasMoreNumbers()) yield* this.#rules.eachAlerts((alerts) => alerts.restoreIncidents(from));
    yield* this.#restoreLives(from, ids);
    if (from.hasMoreNumbers()) this.#rules.restoreStopped(from);
    if (from.hasMoreNumbers()) yield* this.#rules.eachAlerts((alerts) => alerts.restoreLevels(from));
    this.#rules.restoreChanges(from.hasMoreNumbers() ? from : undefined);
  }

  *#write(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#nowUs);
    to.text(this.#version);
    yield* this.#rules.snapshot(to);
    yield* this.#ledgers.snapshot(to);
    const ids = this.#seenIds();
    to.number(ids.length);
    for (const [i, id] of ids.entries()) {
      to.bytes(this.#table.encoded(id));
      if (i % SERIES_PER_PAUSE === 0) yield;
    }
    yield* this.#seen.snapshot(to, ids);
    yield* this.#rules.eachAlerts((alerts) => alerts.snapshotIncidents(to));
    yield* this.#rules.snapshotLives(to);
    this.#ledgers.snapshotLives(to);
    to.doubles(Float64Array.from(ids, (id) => this.#heardUs(id)));
    this.#rules.snapshotStopped(to);
    yield* this.#rules.eachAlerts((alerts) => alerts.snapshotLevels(to));
    yield* this.#rules.snapshotChanges(to);
  }

  /** A snapshot that ends here is older than forgetting: everything counts as heard now. */
  *#restoreLives(from: SnapshotReader, ids: readonly number[]): Iterable<undefined> {
    const lives = from.hasMoreNumbers() ? from : undefined;
    yield* this.#rules.restoreLives(lives);
    if (lives) this.#ledgers.restoreLives(lives);
    const heardUs = lives?.doubles();
    for (const [i, id] of ids.entries()) {
      this.#heard.reserve(id);
      this.#heard.hear(id, heardUs?.[i] ?? this.#nowUs);
    }
  }

  #passTime(nowUs: number): void {
    const fromUs = this.#nowUs;
    if (fromUs > 0 && nowUs - fromUs > UNWATCHED_AFTER_US) this.#rules.passUnwatched(fromUs, nowUs);
    this.#nowUs = nowUs;
    this.#context.nowUs = nowUs;
    this.#rules.advance(fromUs, nowUs);
  }

  /** Drops some of what was silent for too long. Results do not depend on how much. */
  #sweep(): void {
    const patience = this.#patience;
    for (const id of this.#heard.sweep(patience.nowUs, patience.forgetUs)) this.#forgetIfSilent(id);
    this.#ledgers.sweep(patience);
  }

  get #patience(): { readonly nowUs: number; readonly forgetUs: number } {
    return { nowUs: this.#nowUs, forgetUs: this.#rules.forgetTimes.mostUs };
  }

  /** When the newest reading of the series arrived, whatever its kind. */
  #heardUs(id: number): number {
    let heardUs = this.#heard.heardUs(id);
    for (const other of this.#kinds.othersOf(id)) heardUs = Math.max(heardUs, this.#heard.heardUs(other));
    return heardUs;
  }

  #isSilent(id: number): boolean {
    const { nowUs, forgetUs } = this.#patience;
    return nowUs - this.#heardUs(id) >= forgetUs;
  }

  #forgetIfSilent(id: number): void {
    if (!this.#isSilent(id)) return;
    this.#refused.delete(id);
    this.#seen.forget(id);
    this.#routes.clear(id);
    this.#kinds.forget(id);
    this.#heard.free(id);
    this.#options.onSeriesForgotten?.(id);
  }

  #applyReadings(entry: ReadingsEntry): void {
    const { count, seriesId, atUs, values, texts, clockAhead } = entry;
    const routes = this.#routes;
    const heard = this.#heard;
    const nowUs = this.#nowUs;
    const { leastUs } = this.#rules.forgetTimes;
    const stored = entry.observedAhead && storedBefore(entry);
    for (let i = 0; i < count; i++) {
      const id = seriesId[i] as number;
      // After a long silence, keys of the series can be forgotten.
      if (!routes.knows(id) || nowUs - heard.heardUs(id) >= leastUs) this.#resolve(id);
      else if (this.#refused.size > 0 && this.#refused.has(id)) this.#resolve(id);
      heard.hear(id, nowUs);
      const first = routes.first(id);
      const end = routes.end(id);
      const at = atUs[i] as number;
      if (first === end) {
        if (routes.isSelected(id)) this.#see(id, at);
        continue;
      }
      const isOld = routes.hasAbsences(id) && at < this.#newestUs(id);
      const seen = this.#see(id, at);
      if (seen !== NEW) {
        this.#hearAgain(id, at, isOld);
        this.#ledgers.count(routes.ledger(id), seen === DUPLICATE ? DUPLICATE_COUNT : LATE_DROPPED_COUNT, nowUs);
        continue;
      }
      const value = values[i] as number;
      const text = routes.isText(id) ? texts[value] : undefined;
      let fate: number = LEFT_OUT;
      // A group over several devices does not follow a clock that is ahead.
      const groupAt = Math.min(at, nowUs, stored?.get(i) ?? nowUs);
      for (let route = first; route < end; route++) {
        const input = routes.input(route);
        const key = routes.key(route);
        // What was observed before the newest reading says nothing about now.
        if (isOld && input.absences) input.hear(key, nowUs);
        else fate = Math.max(fate, this.#deliver(input, key, input.isOverDevices ? groupAt : at, value, text));
      }
      this.#ledgers.count(routes.ledger(id), fate === LEFT_OUT ? ON_TIME : fate, nowUs);
    }
    for (const i of clockAhead) {
      const id = seriesId[i] as number;
      if (routes.first(id) < routes.end(id)) this.#ledgers.count(routes.ledger(id), CLOCK_AHEAD_COUNT, nowUs);
    }
  }

  #deliver(input: Input, key: number, atUs: number, value: number, text: string | undefined): number {
    if (input.isStopped) return LATE_DROPPED;
    try {
      return this.#add(input, key, atUs, value, text);
    } catch (error) {
      this.#rules.stop(input, error);
      return LATE_DROPPED;
    }
  }

  #add(input: Input, key: number, atUs: number, value: number, text: string | undefined): number {
    const { keyed, reads, spikes } = input;
    const nowUs = this.#nowUs;
    input.hear(key, nowUs);
    if (reads !== undefined && !reads(text ?? value)) return LEFT_OUT;
    if (spikes !== undefined && text === undefined && spikes.isSpike(key, value)) return LEFT_OUT;
    input.begin(key, atUs);
    const fate = keyed.add(key, atUs, value, text, nowUs);
    let dueUs = keyed.dueUs(key);
    // A new window can already be overdue.
    while (dueUs <= nowUs) {
      keyed.advance(key, dueUs, nowUs);
      dueUs = keyed.dueUs(key);
    }
    this.#rules.setTimer(input, key, dueUs);
    return fate;
  }

  /** Whether the reading is a duplicate, also of one with another kind of value. Remembers its time. */
  #see(id: number, atUs: number): Seen {
    const routes = this.#routes;
    if (routes.hasOtherKinds(id)) {
      for (const other of this.#kinds.othersOf(id)) {
        const seen = this.#seen.find(other, atUs);
        if (seen !== NEW) return seen;
      }
    }
    return this.#seen.add(id, atUs, routes.hasSessions(id) ? routes.sessionHorizonUs(id, atUs) : routes.horizonUs(id));
  }

  /** When the newest reading of the series was observed, whatever its kind. */
  #newestUs(id: number): number {
    const ids = this.#routes.hasOtherKinds(id) ? [id, ...this.#kinds.othersOf(id)] : [id];
    return Math.max(...ids.map((each) => this.#seen.newestUs(each)));
  }

  /** A duplicate ends a silence like any other reading. */
  #hearAgain(id: number, atUs: number, isOld: boolean): void {
    const routes = this.#routes;
    for (let route = routes.first(id); route < routes.end(id); route++) {
      const input = routes.input(route);
      input.hear(routes.key(route), this.#nowUs);
      if (input.absences && !isOld) this.#deliver(input, routes.key(route), atUs, Number.NaN, undefined);
    }
  }

  #resolve(id: number): void {
    const series = this.#table.series(id);
    const { belongs = () => true } = this.#options;
    const patience = this.#patience;
    if (this.#isSilent(id)) for (const one of [id, ...this.#kinds.othersOf(id)]) this.#seen.forget(one);
    this.#heard.reserve(id);
    const { routes, isRefused } = this.#rules.routesOf(series, belongs);
    if (isRefused) {
      this.#refused.add(id);
      this.#refusals++;
    } else this.#refused.delete(id);
    const isText = series.kind === "string";
    const selecting = isText ? this.#rules.selecting(series, belongs) : routes.map(({ input }) => input);
    const ledger = routes.length > 0 ? this.#ledgers.placeOf(deviceKey(series), patience) : -1;
    this.#routes.set(id, routes, { isText, ledger, selecting });
    const others = this.#kinds.othersOf(id);
    if (others.length > 0) for (const one of [id, ...others]) this.#routes.addOtherKind(one);
  }

  #applyRuleSet(version: string, specs: readonly RuleSpec[]): void {
    this.#version = version;
    // What was silent for too long under the rules before is forgotten, however long the new rules wait.
    const patience = this.#patience;
    for (const id of this.#heard.sweepAll(patience.nowUs, patience.forgetUs)) this.#forgetIfSilent(id);
    this.#ledgers.sweepAll(patience);
    const { runs = () => true } = this.#options;
    this.#rules.replace(specs.filter(runs), { seen: () => this.#seenSeries(), nowUs: this.#nowUs });
    this.#routes = new SeriesRoutes();
  }

  #seenIds(): number[] {
    const ids: number[] = [];
    for (let id = 0; id < this.#table.size; id++) if (this.#seen.has(id)) ids.push(id);
    return ids;
  }

  #seenSeries(): Series[] {
    return this.#seenIds().map((id) => this.#table.series(id));
  }
}
