import type { Series, Tags } from "../domain/reading.ts";
import type { RuleState, StepContext } from "./rule-state.ts";
import type { JoinSpec } from "./rules/compile.ts";
import type { Source } from "./source.ts";
import { KeyTable } from "./state/key-table.ts";
import type { SnapshotReader, SnapshotWriter } from "./state/snapshot-io.ts";

const KEYS_PER_PAUSE = 500;
/** So many ends wait for the other series of their key; older ones are not looked at. */
const WAITING_MAX = 1_000;

/** What one series of a key has told, by the ends of its windows, oldest first. */
interface Track {
  readonly endsUs: number[];
  readonly values: (number | string)[];
  newestUs: number;
}

/** What was told of a key: the ends up to `decidedUs` are looked at, or never will be. */
interface Key {
  readonly tracks: readonly Track[];
  decidedUs: number;
  /** By end: how often it was told. Ends that can still be corrected. */
  readonly tellings: Map<number, number>;
}

/**
 * Brings the windows of several series together, by key, for conditions over them all. At an end `E` each series stands
 * for its window that ended last by then. An end is looked at when all of them have told that window, or a later one;
 * ends are looked at in order, and one at which a series had no readings is passed over (docs/windows.md).
 */
export class Join implements Source {
  readonly spec: JoinSpec;
  readonly absences: undefined;
  readonly #context: StepContext;
  readonly #table = new KeyTable();
  readonly #keys: Key[] = [];
  /** By name and key of its input. */
  readonly #keyOf: readonly (number | undefined)[][];
  readonly #endsMax: number;
  #rules: readonly RuleState[] = [];

  constructor(spec: JoinSpec, context: StepContext) {
    this.spec = spec;
    this.#context = context;
    this.#keyOf = spec.names.map(() => []);
    const everyUs = Math.min(...spec.names.map((name) => name.everyUs));
    this.#endsMax = WAITING_MAX + Math.ceil(spec.retainedUs / everyUs);
  }

  get identity(): string {
    return this.spec.identity;
  }

  get groupBy(): readonly string[] {
    return this.spec.groupBy;
  }

  get keyCount(): number {
    return this.#table.size;
  }

  /** In the order of the rule set. */
  feed(rules: readonly RuleState[]): void {
    this.#rules = rules;
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
    return Math.min(...(this.#keys[key] as Key).tracks.map(({ newestUs }) => newestUs));
  }

  keyFor(labels: Tags): number {
    const known = this.#table.find(labels);
    if (known >= 0) return known;
    this.#keys.push(newKey(this.spec.names.length));
    return this.#table.add(labels);
  }

  /** The window of a name's input that ends at `endUs` told a value: for the first time, or corrected. */
  take(name: number, inputKey: number, labels: Tags, endUs: number, value: number | string): void {
    const keyOf = this.#keyOf[name] as (number | undefined)[];
    keyOf[inputKey] ??= this.keyFor(labels);
    const index = keyOf[inputKey] as number;
    const key = this.#keys[index] as Key;
    put(key.tracks[name] as Track, endUs, value);
    const { everyUs } = this.spec.names[name] as JoinSpec["names"][number];
    // What was looked at with this window before, or without it.
    for (const end of this.#endsIn(key, { fromUs: endUs, toUs: Math.min(endUs + everyUs, key.decidedUs + 1) })) {
      this.#tell(index, key, end);
    }
    this.#decide(index, key);
    this.#forget(key, this.watermarkUs(index) - this.spec.retainedUs);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#keys.length);
    for (const [index, { tracks, decidedUs, tellings }] of this.#keys.entries()) {
      to.value(this.#table.labels(index));
      to.value({ tracks, decidedUs, tellings });
      if (index % KEYS_PER_PAUSE === 0) yield;
    }
  }

  *restore(from: SnapshotReader): Iterable<undefined> {
    for (let left = from.number(); left > 0; left--) {
      this.#table.add(from.value<Tags>());
      this.#keys.push(copied(from.value<Key>()));
      if (left % KEYS_PER_PAUSE === 0) yield;
    }
  }

  /** Looks at each end whose windows are all told by now. */
  #decide(index: number, key: Key): void {
    const { names } = this.spec;
    const boundUs = Math.min(...names.map(({ everyUs }, i) => (key.tracks[i] as Track).newestUs + everyUs));
    if (boundUs <= key.decidedUs) return;
    for (const end of this.#endsIn(key, { fromUs: key.decidedUs + 1, toUs: boundUs })) {
      key.decidedUs = end;
      this.#tell(index, key, end);
    }
  }

  /** At which some series of the key ended a window, oldest first. */
  #endsIn({ tracks }: Key, { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number }): number[] {
    const ends = new Set<number>();
    for (const { endsUs } of tracks) {
      for (let i = endsUs.length - 1; i >= 0 && (endsUs[i] as number) >= fromUs; i--) {
        if ((endsUs[i] as number) < toUs) ends.add(endsUs[i] as number);
      }
    }
    return [...ends].sort((a, b) => a - b);
  }

  #tell(index: number, key: Key, endUs: number): void {
    const told: Record<string, number | string> = {};
    for (const [i, { name, everyUs }] of this.spec.names.entries()) {
      const { endsUs, values } = key.tracks[i] as Track;
      const at = endsUs.lastIndexOf(lastEndUs(endUs, everyUs));
      if (at < 0) return;
      told[name] = values[at] as number | string;
    }
    const revision = key.tellings.get(endUs) ?? 0;
    key.tellings.set(endUs, revision + 1);
    const startUs = endUs - this.spec.sizeUs;
    const rules = this.#rules.map(({ rule }) => rule.spec.id);
    const labels = this.#table.labels(index);
    this.#context.output.results.push({ rules, labels, startUs, endUs, revision, aggregates: told });
    for (const state of this.#rules) state.onWindow(index, { startUs, endUs, told });
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

/** When the window that stands for a series at `endUs` ended. */
export function lastEndUs(endUs: number, everyUs: number): number {
  return Math.floor(endUs / everyUs) * everyUs;
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
