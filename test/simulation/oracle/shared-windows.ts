import type { Device, Reading, ReadingValue, Tags } from "../../../domain/reading.ts";
import { activeUsIn, afterActiveUs, isActive } from "./active.ts";
import { calendarSize, calendarSpan } from "./calendar.ts";
import { CountWindows } from "./count-windows.ts";
import { courseOf, meets } from "./course.ts";
import { FilledWindows } from "./filled-windows.ts";
import { FixedWindows } from "./fixed-windows.ts";
import { labelsOf, nameOf } from "./labels.ts";
import type { Emit, Fate, KeyWindows, OracleRule, StoredReading } from "./model.ts";
import { Sessions } from "./sessions.ts";
import { durationUs } from "./texts.ts";

/** A longer pause is unwatched. */
const WATCHED_US_MAX = 30_000_000;

export interface Watch {
  /** Processing time. */
  nowUs: number;
}

interface Key {
  readonly labels: Tags;
  /** The processing time of its newest reading. */
  cameUs: number;
  windows: KeyWindows | undefined;
  /** Its values in the order of arrival. */
  arrived: readonly number[];
  /** The time of the reading that came first. */
  firstUs?: number;
  /** The counted silence up to the newest reading; undefined before the first. */
  heardAtUs: number | undefined;
  /** The absence was emitted, so it is not due again. */
  silent: boolean;
}

/** Receives windows and silences. */
export interface Listener {
  onWindow(labels: Tags, ...emitted: Parameters<Emit>): void;
  onSilence(labels: Tags, dueUs: number, silenceS: number): void;
  onHeard(labels: Tags, silenceS: number): void;
}

/** The windows or silences of all keys, for the rules that share them. */
export class SharedWindows {
  readonly #rule: OracleRule;
  readonly #watch: Watch;
  readonly #keys = new Map<string, Key>();
  /** Processing time that counts as silence: watched and active. */
  #countedUs = 0;
  listeners: readonly Listener[] = [];
  /** How long a key is kept without readings. */
  forgetUs = Number.POSITIVE_INFINITY;

  constructor(rule: OracleRule, watch: Watch) {
    this.#rule = rule;
    this.#watch = watch;
  }

  get absence(): boolean {
    return this.#rule.absent !== undefined;
  }

  /** `isOld`: its series has had a newer reading. */
  take(reading: StoredReading, isOld: boolean): Fate {
    const labels = labelsOf(this.#rule, reading);
    const name = nameOf(labels);
    const cameUs = this.#watch.nowUs;
    const key = this.#keys.get(name) ?? {
      labels,
      cameUs,
      windows: undefined,
      arrived: [],
      heardAtUs: undefined,
      silent: false,
    };
    this.#keys.set(name, key);
    key.cameUs = cameUs;
    if (this.absence) {
      if (isOld) return { late: false, corrected: false, changed: false };
      for (const listener of this.listeners) listener.onHeard(labels, this.silenceS(labels));
      key.heardAtUs = this.#countedUs;
      key.silent = false;
      return { late: false, corrected: false, changed: false };
    }
    const leftOut = { late: false, corrected: false, changed: false };
    if (!isRead(this.#rule, reading.value)) return leftOut;
    if (this.#rule.hampel !== undefined && typeof reading.value !== "string") {
      const value = Number(reading.value);
      key.arrived = [...key.arrived, value];
      if (isSpike(this.#rule.hampel, key.arrived.slice(0, -1).slice(-10), value)) return leftOut;
    }
    key.windows ??= this.#newWindows(labels);
    key.firstUs ??= this.#timeOf(reading);
    return key.windows.take({ ...reading, atUs: this.#timeOf(reading) }, this.#watch.nowUs);
  }

  #timeOf({ atUs, aheadUs }: StoredReading): number {
    const { group_by } = this.#rule;
    if (group_by === "series" || group_by.includes("device")) return atUs;
    return Math.min(atUs - (aheadUs ?? 0), this.#watch.nowUs);
  }

  /** A duplicate changes no window, but ends a silence. */
  takeAgain(reading: Reading, isOld: boolean): void {
    if (this.absence) this.take(reading, isOld);
    else this.cameElsewhere(labelsOf(this.#rule, reading), this.#watch.nowUs);
  }

  /** A reading of the key came to other windows, from which its alert continues in these. */
  cameElsewhere(labels: Tags, cameUs: number): void {
    const name = nameOf(labels);
    const key = this.#keys.get(name) ?? {
      labels,
      cameUs,
      windows: undefined,
      arrived: [],
      heardAtUs: undefined,
      silent: false,
    };
    this.#keys.set(name, key);
    key.cameUs = Math.max(key.cameUs, cameUs);
  }

  /** Call when watched time passes. */
  count(fromUs: number, toUs: number): void {
    this.#countedUs += activeUsIn(this.#rule.active, fromUs, toUs);
  }

  /** Continues a silence that others have measured, unless this one already measures it. */
  goOnWith(labels: Tags, before: SharedWindows): void {
    const name = nameOf(labels);
    const { heardAtUs: heardBeforeUs, cameUs } = before.#keys.get(name) ?? { heardAtUs: undefined, cameUs: 0 };
    if (heardBeforeUs !== undefined && !this.#keys.has(name)) {
      // Silence that has counted stays counted.
      const heardAtUs = this.#countedUs - (before.#countedUs - heardBeforeUs);
      this.#keys.set(name, { labels, cameUs, windows: undefined, arrived: [], heardAtUs, silent: false });
    }
  }

  /** The earliest instant at which something is due. */
  dueUs(): number {
    return Math.min(...[...this.#keys.values()].map((key) => this.#keyDueUs(key)));
  }

  /** Does what is due at `dueUs()`. */
  happen(): void {
    const dueUs = this.dueUs();
    const key = [...this.#keys.values()].find((each) => this.#keyDueUs(each) === dueUs);
    key?.windows?.happen();
    if (key === undefined || this.#rule.absent === undefined) return;
    key.silent = true;
    const countedUs = this.#countedUs + activeUsIn(this.#rule.active, this.#watch.nowUs, dueUs);
    const silenceUs = countedUs - (key.heardAtUs ?? countedUs);
    for (const listener of this.listeners) {
      listener.onSilence(key.labels, dueUs, silenceUs / 1e6);
    }
  }

  /** Devices said that they are gone: the keys that are theirs alone are absent at once, if the rule is active. */
  leave(devices: readonly Device[]): void {
    const { nowUs } = this.#watch;
    if (!this.absence || !isActive(this.#rule.active, nowUs)) return;
    for (const key of this.#keys.values()) {
      const { labels } = key;
      const isTheirs = devices.some(
        ({ device, tags }) =>
          labels.device === device && Object.entries(tags).every(([name, value]) => labels[name] === value),
      );
      if (!isTheirs || key.silent || key.heardAtUs === undefined) continue;
      key.silent = true;
      for (const listener of this.listeners) listener.onSilence(labels, nowUs, this.silenceS(labels));
    }
  }

  /** How long a key has been silent; 0 before its first reading. */
  silenceS(labels: Tags): number {
    const heardAtUs = this.#keys.get(nameOf(labels))?.heardAtUs ?? this.#countedUs;
    return (this.#countedUs - heardAtUs) / 1e6;
  }

  /** Whether a window of a key began before its first reading came. */
  isPartial(labels: Tags, startUs: number): boolean {
    return startUs < (this.#keys.get(nameOf(labels))?.firstUs ?? Number.NEGATIVE_INFINITY);
  }

  /** The processing time of a key's newest reading; -Infinity if it has none. */
  cameUs(labels: Tags): number {
    return this.#keys.get(nameOf(labels))?.cameUs ?? Number.NEGATIVE_INFINITY;
  }

  /** The instant at which the first key is forgotten. */
  forgottenUs(): number {
    return Math.min(...[...this.#keys.values()].map(({ cameUs }) => cameUs + this.forgetUs));
  }

  /** Drops the keys that are to be forgotten by this time. */
  forget(untilUs: number): void {
    for (const [name, { cameUs }] of this.#keys) if (cameUs + this.forgetUs <= untilUs) this.#keys.delete(name);
  }

  /** The silence of a key that has counted by a time. Only watched time after `watch.nowUs` counts. */
  silenceByS(labels: Tags, atUs: number, isWatched: boolean): number {
    const moreUs = isWatched ? activeUsIn(this.#rule.active, this.#watch.nowUs, atUs) : 0;
    return this.silenceS(labels) + moreUs / 1e6;
  }

  #keyDueUs({ windows, heardAtUs, silent }: Key): number {
    const { absent } = this.#rule;
    if (absent === undefined) return windows?.dueUs() ?? Number.POSITIVE_INFINITY;
    if (heardAtUs === undefined || silent) return Number.POSITIVE_INFINITY;
    const { nowUs } = this.#watch;
    const missingUs = heardAtUs + durationUs(absent) - this.#countedUs;
    return afterActiveUs(this.#rule.active, nowUs, missingUs, nowUs + WATCHED_US_MAX);
  }

  #newWindows(labels: Tags): KeyWindows {
    const { window = {}, group_by } = this.#rule;
    const { tumbling, hopping, sliding, session, count, step, every } = window;
    const latenessUs = durationUs(this.#rule.lateness ?? "0s");
    const drop = this.#rule.late === "drop";
    const emit: Emit = (...emitted) => {
      for (const listener of this.listeners) listener.onWindow(labels, ...emitted);
    };
    const course = courseOf(this.#rule);
    if (session !== undefined) return new Sessions({ gapUs: durationUs(session), latenessUs, drop, course }, emit);
    const alone = group_by === "series" || (group_by.includes("device") && group_by.includes("metric"));
    if (count !== undefined) return new CountWindows({ count, step, latenessUs, alone, course }, emit);
    const kind = tumbling !== undefined ? "tumbling" : hopping !== undefined ? "hopping" : "sliding";
    const calendar = calendarSize(window);
    if (calendar !== undefined) {
      const spanAt = (atUs: number) => calendarSpan(window, atUs);
      const sizeUs = durationUs(calendar);
      return new FixedWindows(
        { kind: "calendar", spanAt, sizeUs, everyUs: sizeUs, latenessUs, drop, alone, course },
        emit,
      );
    }
    const sizeUs = durationUs(tumbling ?? hopping ?? sliding ?? "");
    const everyUs = every === undefined ? sizeUs : durationUs(every);
    if (this.#rule.fill === "last") {
      const fillForUs = durationUs(this.#rule.fill_for ?? "1d");
      return new FilledWindows({ sizeUs, latenessUs, fillForUs, drop, course }, emit);
    }
    return new FixedWindows({ kind, sizeUs, everyUs, latenessUs, drop, alone, course }, emit);
  }
}

/** Whether a rule reads a value: `valid` holds for it, and `except` does not list it. Booleans count as 0 and 1. */
function isRead({ valid, except = [] }: OracleRule, value: ReadingValue): boolean {
  const plain = typeof value === "string" ? value : Number(value);
  if (except.some((each) => (typeof each === "string" ? each : Number(each)) === plain)) return false;
  return valid === undefined || meets(valid, plain);
}

function isSpike({ sigmas, at_least }: NonNullable<OracleRule["hampel"]>, before: readonly number[], value: number) {
  const median = medianOf(before);
  const deviation = medianOf(before.map((each) => Math.abs(each - median)));
  const distance = Math.abs(value - median);
  return before.length >= 5 && distance > at_least && distance > sigmas * 1.4826 * deviation;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low = 0, high = 0] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  return (low + high) / 2;
}
