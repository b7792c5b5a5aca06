import type { Reading, Tags } from "../../../domain/reading.ts";
import { CountWindows } from "./count-windows.ts";
import { FixedWindows } from "./fixed-windows.ts";
import { labelsOf, nameOf } from "./labels.ts";
import type { Fate, KeyWindows, OracleRule, Tell } from "./model.ts";
import { Sessions } from "./sessions.ts";
import { durationUs } from "./texts.ts";

export interface Watch {
  /** Processing time. */
  nowUs: number;
  /** Processing time without the pauses in which nobody watched. */
  watchedUs: number;
}

interface Key {
  readonly labels: Tags;
  windows: KeyWindows | undefined;
  /** Watched time when the newest reading came; undefined while there is none. */
  heardAtUs: number | undefined;
  /** The silence was told; it is not due again. */
  silent: boolean;
}

/** Who hears of windows and silences. */
export interface Listener {
  onWindow(labels: Tags, ...told: Parameters<Tell>): void;
  onSilence(labels: Tags, dueUs: number, silenceS: number): void;
  onHeard(labels: Tags, silenceS: number): void;
}

/** The windows, or silences, of all keys: shared by the rules that agree in what computes them. */
export class SharedWindows {
  readonly #rule: OracleRule;
  readonly #watch: Watch;
  readonly #keys = new Map<string, Key>();
  listeners: readonly Listener[] = [];

  constructor(rule: OracleRule, watch: Watch) {
    this.#rule = rule;
    this.#watch = watch;
  }

  get absence(): boolean {
    return this.#rule.absent !== undefined;
  }

  take(reading: Reading): Fate {
    const labels = labelsOf(this.#rule, reading);
    const name = nameOf(labels);
    const key = this.#keys.get(name) ?? { labels, windows: undefined, heardAtUs: undefined, silent: false };
    this.#keys.set(name, key);
    if (this.absence) {
      for (const listener of this.listeners) listener.onHeard(labels, this.silenceS(labels));
      key.heardAtUs = this.#watch.watchedUs;
      key.silent = false;
      return { late: false, corrected: false, changed: false };
    }
    key.windows ??= this.#newWindows(labels);
    return key.windows.take(reading, this.#watch.nowUs);
  }

  /** Goes on with a silence that others measured, unless it measures it itself. */
  goOnWith(labels: Tags, before: SharedWindows): void {
    const name = nameOf(labels);
    const heardAtUs = before.#keys.get(name)?.heardAtUs;
    if (heardAtUs !== undefined && !this.#keys.has(name)) {
      this.#keys.set(name, { labels, windows: undefined, heardAtUs, silent: false });
    }
  }

  /** The earliest instant at which something happens by itself. */
  dueUs(): number {
    return Math.min(...[...this.#keys.values()].map((key) => this.#keyDueUs(key)));
  }

  /** Lets happen what is due at `dueUs()`. */
  happen(): void {
    const dueUs = this.dueUs();
    const key = [...this.#keys.values()].find((each) => this.#keyDueUs(each) === dueUs);
    key?.windows?.happen();
    if (key === undefined || this.#rule.absent === undefined) return;
    key.silent = true;
    for (const listener of this.listeners) {
      listener.onSilence(key.labels, dueUs, durationUs(this.#rule.absent) / 1e6);
    }
  }

  /** For how long a key has been silent; 0 when it was never heard. */
  silenceS(labels: Tags): number {
    const heardAtUs = this.#keys.get(nameOf(labels))?.heardAtUs ?? this.#watch.watchedUs;
    return (this.#watch.watchedUs - heardAtUs) / 1e6;
  }

  #keyDueUs({ windows, heardAtUs, silent }: Key): number {
    const { absent } = this.#rule;
    if (absent === undefined) return windows?.dueUs() ?? Number.POSITIVE_INFINITY;
    if (heardAtUs === undefined || silent) return Number.POSITIVE_INFINITY;
    return this.#watch.nowUs + heardAtUs + durationUs(absent) - this.#watch.watchedUs;
  }

  #newWindows(labels: Tags): KeyWindows {
    const { window = {}, group_by } = this.#rule;
    const { tumbling, hopping, sliding, session, count, every } = window;
    const latenessUs = durationUs(this.#rule.lateness ?? "0s");
    const drop = this.#rule.late === "drop";
    const tell: Tell = (...told) => {
      for (const listener of this.listeners) listener.onWindow(labels, ...told);
    };
    if (session !== undefined) return new Sessions({ gapUs: durationUs(session), latenessUs, drop }, tell);
    const alone = group_by.includes("device") && group_by.includes("metric");
    if (count !== undefined) return new CountWindows({ count, latenessUs, alone }, tell);
    const kind = tumbling !== undefined ? "tumbling" : hopping !== undefined ? "hopping" : "sliding";
    const sizeUs = durationUs(tumbling ?? hopping ?? sliding ?? "");
    const everyUs = every === undefined ? sizeUs : durationUs(every);
    const fill = this.#rule.fill === "last";
    return new FixedWindows({ kind, sizeUs, everyUs, latenessUs, drop, fill, alone }, tell);
  }
}
