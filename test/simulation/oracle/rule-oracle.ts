import type { Reading, Tags } from "../../../domain/reading.ts";
import { Alert, type Move } from "./alert.ts";
import { labelsOf, nameOf, wants } from "./labels.ts";
import type { Change, OracleRule, Tell, Telling } from "./model.ts";
import type { Listener, SharedWindows, Watch } from "./shared-windows.ts";

export interface Says {
  readonly windows: Telling[];
  readonly alerts: Change[];
}

interface Key {
  readonly labels: Tags;
  readonly alert: Alert;
  /** A reading of each series that it had. */
  readonly series: Map<string, Reading>;
}

/** One rule at work: what it says about windows and silences, and its alerts. */
export class RuleOracle implements Listener {
  rule: OracleRule;
  windows: SharedWindows;
  readonly #keys = new Map<string, Key>();
  readonly #says: Says;
  readonly #watch: Watch;
  readonly #belongs: (labels: Tags) => boolean;

  constructor(
    rule: OracleRule,
    windows: SharedWindows,
    out: { readonly says: Says; readonly watch: Watch; readonly belongs: (rule: string, labels: Tags) => boolean },
  ) {
    this.rule = rule;
    this.windows = windows;
    this.#says = out.says;
    this.#watch = out.watch;
    this.#belongs = (labels) => out.belongs(rule.id, labels);
  }

  wants(reading: Reading): boolean {
    return wants(this.rule, reading) && this.#belongs(labelsOf(this.rule, reading));
  }

  sees(reading: Reading, series: string): void {
    this.#keyOf(labelsOf(this.rule, reading)).series.set(series, reading);
  }

  onWindow(labels: Tags, ...[span, revision, aggregatesOf]: Parameters<Tell>): void {
    if (!this.#belongs(labels)) return;
    const aggregates = aggregatesOf(this.rule.aggregate);
    this.#says.windows.push({ rule: this.rule.id, labels, ...span, revision, aggregates });
    const value = aggregates[this.rule.aggregate[0] ?? ""];
    if (value === undefined || typeof value === "boolean") return;
    const key = this.#keyOf(labels);
    const move = key.alert.look(this.rule, span.endUs, value);
    if (move !== undefined) this.#change(key, move, span.endUs, value);
  }

  onSilence(labels: Tags, dueUs: number, silenceS: number): void {
    const key = this.#keyOf(labels);
    if (!this.#belongs(labels) || key.alert.state === "firing") return;
    key.alert.activeAtUs = dueUs;
    this.#change(key, key.alert.move("firing"), dueUs, silenceS);
  }

  onHeard(labels: Tags, silenceS: number): void {
    const key = this.#keyOf(labels);
    if (key.alert.state === "firing") this.#change(key, key.alert.move("inactive"), this.#watch.nowUs, silenceS);
  }

  /** Ends the open alerts of the keys without a series that `unless` takes. */
  end(unless: (reading: Reading) => boolean): void {
    for (const key of this.#keys.values()) {
      if (key.alert.state === "inactive" || [...key.series.values()].some(unless)) continue;
      const absent = this.rule.absent !== undefined;
      const atUs = absent ? this.#watch.nowUs : key.alert.lookedEndUs;
      const value = absent ? this.windows.silenceS(key.labels) : key.alert.lookedValue;
      this.#change(key, key.alert.move("inactive"), atUs, value);
    }
  }

  /** The silences of the keys with a series that `taken` takes go on being measured there. */
  handSilencesTo(next: SharedWindows, taken: (reading: Reading) => boolean): void {
    for (const key of this.#keys.values()) {
      if ([...key.series.values()].some(taken)) next.goOnWith(key.labels, this.windows);
    }
  }

  #keyOf(labels: Tags): Key {
    const name = nameOf(labels);
    const key = this.#keys.get(name) ?? { labels, alert: new Alert(), series: new Map<string, Reading>() };
    this.#keys.set(name, key);
    return key;
  }

  #change(key: Key, move: Move, atUs: number, value: number | string): void {
    this.#says.alerts.push({ rule: this.rule.id, key: key.labels, ...move, atUs, value });
  }
}
