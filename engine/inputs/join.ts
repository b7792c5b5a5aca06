import type { Series, Tags } from "../../domain/reading.ts";
import type { Grouping } from "../../rule-language/spec/grouping.ts";
import type { RuleAlerts } from "../alerts/rule-alerts.ts";
import { type JoinedName, type JoinSpec, lastEndUs } from "../rules/rule.ts";
import { KeyTable } from "../state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import type { StepContext } from "../state/step-context.ts";
import type { KeyLives, MortalKeys } from "./key-lives.ts";
import type { Source } from "./source.ts";

const KEYS_PER_PAUSE = 500;
/** The maximum number of ends of a key that wait for its other series. Older ones are never evaluated. */
const WAITING_MAX = 1_000;

/** The windows of a name. */
export interface JoinInput {
  /** The key of a group; -1 if it has none. */
  find(labels: Tags): number;
  heardUs(key: number): number;
}

/** The windows of one series of a key, by end, oldest first. */
interface Track {
  readonly endsUs: number[];
  readonly values: (number | string)[];
  newestUs: number;
}

interface Key {
  readonly tracks: readonly Track[];
  /** Ends up to this one have been evaluated or skipped for good. */
  decidedUs: number;
  /** The number of results emitted for each end that can still be corrected. Checkpoints store it under this name. */
  readonly tellings: Map<number, number>;
}

/**
 * ADR 14. Joins the windows of several series, by key, for conditions over all of them. At an end `E`, each series
 * contributes its newest window that ended by `E`. An end is evaluated once every series has emitted that window or a
 * later one. Ends are evaluated in order. An end at which a series had no readings is skipped (docs/windows.md).
 */
export class Join implements Source, MortalKeys {
  readonly spec: JoinSpec;
  readonly lives: number[] = [];
  readonly absences: undefined;
  readonly #context: StepContext;
  readonly #table = new KeyTable();
  readonly #keys: (Key | undefined)[] = [];
  /** By name, then by the key of its input. */
  readonly #keyOf: readonly (number | undefined)[][];
  readonly #endsMax: number;
  readonly #lives: KeyLives;
  #rules: readonly RuleAlerts[] = [];
  #inputs: readonly JoinInput[] = [];
  /** By key: when it was heard before its names had windows of their own. */
  readonly #heardUs: number[] = [];
  /** The longest of the rules that read it. */
  forgetUs = Number.POSITIVE_INFINITY;
  order = 0;

  constructor(spec: JoinSpec, context: StepContext, lives: KeyLives) {
    this.spec = spec;
    this.#context = context;
    this.#lives = lives;
    this.#keyOf = spec.names.map(() => []);
    const everyUs = Math.min(...spec.names.map((name) => name.everyUs));
    const offsetUs = Math.max(...spec.names.map((name) => name.offsetUs));
    this.#endsMax = WAITING_MAX + Math.ceil((spec.retainedUs + offsetUs) / everyUs);
  }

  get identity(): string {
    return this.spec.identity;
  }

  get grouping(): Grouping {
    return this.spec.grouping;
  }

  get keyCount(): number {
    return this.#table.size;
  }

  /** Sets the rules to emit to, in the order of the rule set, and the input of each name. */
  connect(rules: readonly RuleAlerts[], inputs: readonly JoinInput[]): void {
    this.#rules = rules;
    this.#inputs = inputs;
  }

  takes(series: Series): boolean {
    return this.spec.names.some(({ input }) => input.selector.matches(series));
  }

  labels(key: number): Tags {
    return this.#table.labels(key);
  }

  keys(): Iterable<readonly [number, Tags]> {
    return this.#table.entries();
  }

  watermarkUs(key: number): number {
    return Math.min(...this.#at(key).tracks.map(({ newestUs }) => newestUs));
  }

  isProvisional(): boolean {
    return false;
  }

  isPartial(): boolean {
    return false;
  }

  keyFor(labels: Tags, heardUs = Number.NEGATIVE_INFINITY): number {
    const known = this.#table.find(labels);
    if (known >= 0) {
      this.#heardUs[known] = Math.max(heardUs, this.#heardUs[known] as number);
      return known;
    }
    const key = this.#table.add(labels);
    this.#keys[key] = newKey(this.spec.names.length);
    this.#heardUs[key] = heardUs;
    this.#lives.begin(this, key);
    return key;
  }

  *keyNumbers(): Iterable<number> {
    for (const [key] of this.#table.entries()) yield key;
  }

  /** A name that has no key was silent for longer than this join waits. */
  heardUs(key: number): number {
    const labels = this.#table.labels(key);
    let heardUs = this.#heardUs[key] as number;
    for (const input of this.#inputs) {
      const inputKey = input.find(labels);
      if (inputKey >= 0) heardUs = Math.max(heardUs, input.heardUs(inputKey));
    }
    return heardUs;
  }

  forget(key: number, atUs: number): void {
    for (const alerts of this.#rules) alerts.forget(key, atUs);
    for (const [name, input] of this.#inputs.entries()) {
      const inputKey = input.find(this.#table.labels(key));
      if (inputKey >= 0) this.forgetInput(name, inputKey);
    }
    this.#keys[key] = undefined;
    this.#table.remove(key);
  }

  /** The number of a name's key can be that of another group from now on. */
  forgetInput(name: number, inputKey: number): void {
    (this.#keyOf[name] as (number | undefined)[])[inputKey] = undefined;
  }

  /** The input of a name emitted or corrected a window that ends at `ownEndUs`. */
  onWindow(name: number, inputKey: number, labels: Tags, ownEndUs: number, value: number | string): void {
    if (this.#rules.every(({ stopped }) => stopped !== undefined)) return;
    const keyOf = this.#keyOf[name] as (number | undefined)[];
    keyOf[inputKey] ??= this.keyFor(labels);
    const index = keyOf[inputKey] as number;
    const key = this.#at(index);
    const { everyUs, offsetUs } = this.spec.names[name] as JoinedName;
    const endUs = ownEndUs + offsetUs;
    put(key.tracks[name] as Track, endUs, value);
    // Ends that were evaluated with an earlier value of this window, or without it.
    for (const end of this.#endsIn(key, { fromUs: endUs, toUs: Math.min(endUs + everyUs, key.decidedUs + 1) })) {
      this.#emit(index, key, end);
    }
    this.#decide(index, key);
    this.#forget(key, this.watermarkUs(index) - this.spec.retainedUs);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#table.size);
    for (let index = 0; index < this.#table.size; index++) {
      to.value(this.#table.labelsOrNone(index) ?? null);
      to.value(this.#keys[index] ?? null);
      if (index % KEYS_PER_PAUSE === 0) yield;
    }
  }

  snapshotLives(to: SnapshotWriter): void {
    to.doubles(Float64Array.from(this.#table.free));
    to.doubles(Float64Array.from(this.#heardUs));
  }

  /** Without `from`: the snapshot is older than forgetting, so every key counts as heard now. */
  restoreLives(from: SnapshotReader | undefined): void {
    if (from !== undefined) this.#table.restoreFree(from.doubles());
    const heardUs = from?.doubles() ?? new Float64Array(this.#table.size).fill(this.#context.nowUs);
    for (const each of heardUs) this.#heardUs.push(each);
  }

  *restore(from: SnapshotReader): Iterable<undefined> {
    for (let left = from.number(); left > 0; left--) {
      this.#table.restoreNext(from.value<Tags | null>() ?? undefined);
      const key = from.value<Key | null>();
      this.#keys.push(key === null ? undefined : copied(key));
      if (left % KEYS_PER_PAUSE === 0) yield;
    }
  }

  #at(index: number): Key {
    const key = this.#keys[index];
    if (key === undefined) throw new RangeError(`no key ${index}`);
    return key;
  }

  /** Evaluates each end for which every series has emitted its window. */
  #decide(index: number, key: Key): void {
    const { names } = this.spec;
    const boundUs = Math.min(...names.map(({ everyUs }, i) => (key.tracks[i] as Track).newestUs + everyUs));
    if (boundUs <= key.decidedUs) return;
    for (const end of this.#endsIn(key, { fromUs: key.decidedUs + 1, toUs: boundUs })) {
      key.decidedUs = end;
      this.#emit(index, key, end);
    }
  }

  /** The ends of the key's windows within a span, oldest first. */
  #endsIn({ tracks }: Key, { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number }): number[] {
    const ends = new Set<number>();
    for (const { endsUs } of tracks) {
      for (let i = endsUs.length - 1; i >= 0 && (endsUs[i] as number) >= fromUs; i--) {
        if ((endsUs[i] as number) < toUs) ends.add(endsUs[i] as number);
      }
    }
    return [...ends].sort((a, b) => a - b);
  }

  #emit(index: number, key: Key, endUs: number): void {
    const values: Record<string, number | string> = {};
    for (const [i, joined] of this.spec.names.entries()) {
      const track = key.tracks[i] as Track;
      const at = track.endsUs.lastIndexOf(lastEndUs(endUs, joined));
      if (at < 0) return;
      values[joined.name] = track.values[at] as number | string;
    }
    const revision = key.tellings.get(endUs) ?? 0;
    key.tellings.set(endUs, revision + 1);
    const startUs = endUs - this.spec.sizeUs;
    const running = this.#rules.filter(({ stopped }) => stopped === undefined);
    const rules = running.map(({ rule }) => rule.spec.id);
    const labels = this.#table.labels(index);
    this.#context.output.results.push({ rules, labels, startUs, endUs, revision, aggregates: values });
    for (const alerts of running) alerts.onWindow(index, { startUs, endUs, values });
  }

  #forget(key: Key, oldestUs: number): void {
    for (const { endsUs, values } of key.tracks) {
      let old = Math.max(0, endsUs.length - this.#endsMax);
      while (old < endsUs.length && (endsUs[old] as number) < oldestUs) old++;
      if (old === 0) continue;
      endsUs.splice(0, old);
      values.splice(0, old);
    }
    for (const end of key.tellings.keys()) {
      if (end >= oldestUs) break;
      key.tellings.delete(end);
    }
  }
}

function copied({ tracks, decidedUs, tellings }: Key): Key {
  const own = tracks.map(({ endsUs, values, newestUs }) => ({ endsUs: [...endsUs], values: [...values], newestUs }));
  return { tracks: own, decidedUs, tellings: new Map(tellings) };
}

function newKey(names: number): Key {
  const newestUs = Number.NEGATIVE_INFINITY;
  const tracks = Array.from({ length: names }, () => ({ endsUs: [], values: [], newestUs }));
  return { tracks, decidedUs: newestUs, tellings: new Map() };
}

function put(track: Track, endUs: number, value: number | string): void {
  const { endsUs, values } = track;
  let at = endsUs.length;
  while (at > 0 && (endsUs[at - 1] as number) > endUs) at--;
  if (at > 0 && endsUs[at - 1] === endUs) {
    values[at - 1] = value;
    return;
  }
  endsUs.splice(at, 0, endUs);
  values.splice(at, 0, value);
  track.newestUs = Math.max(track.newestUs, endUs);
}
