import type { ExplainedReading } from "../../contracts/explanations.ts";
import type { AlertChange, EvidencePart } from "../../domain/alert.ts";
import { keyName } from "../../domain/alert-ids.ts";
import { type LogEntry, type ReadingsEntry, type SeriesTable, storedBefore } from "../../domain/frame-reader.ts";
import { sensorKey } from "../../domain/reading.ts";
import { compileRule } from "../../engine/rules/compile.ts";
import type { InputSpec, Rule } from "../../engine/rules/rule.ts";
import type { EntryPosition } from "../../engine/step.ts";
import { isOverDevices } from "../../engine/tasks/shares.ts";
import { CORRECTION_WAIT_US } from "../../engine/windows/windows.ts";
import { groupLabels } from "../../rule-language/spec/grouping.ts";
import { checkedRuleSet } from "../../rule-language/spec/read-rule-set.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { isOfGone } from "./departures.ts";

/**
 * Collects the readings of the window behind an alert change while the log is read: those that arrived before the
 * window closed. It implements docs/windows.md independently of the step.
 */
export class DecidingWindow {
  readonly change: AlertChange;
  /** The window with its aggregate and value. For a condition over several series, those of one series. */
  readonly part: Pick<EvidencePart, "window" | "aggregate" | "value">;
  /** The name of that series. */
  readonly name: string | undefined;
  readonly #table: SeriesTable;
  readonly #key: string;
  readonly #wants = new Map<number, boolean>();
  readonly #sensors: (number | undefined)[] = [];
  readonly #sensorIds = new Map<string, number>();
  readonly #seen = new Set<string>();
  #rule: Rule | undefined;
  #readings: ExplainedReading[] = [];
  /** The newest observation time of `#readings`. */
  #newestInUs = Number.NEGATIVE_INFINITY;
  /** Late readings whose correction has not been emitted yet, and the arrival of the first of them. */
  readonly #waiting: ExplainedReading[] = [];
  #waitingSinceUs = 0;
  #prior: ExplainedReading | undefined;
  #newest: { readonly atUs: number; readonly storedAtUs: number } | undefined;
  /** The window was over before its first reading, so it was emitted as a correction with the readings up to then. */
  #isEmittedLate = false;
  /** Count windows have consumed the instants up to this one. */
  #takenUs = Number.NEGATIVE_INFINITY;
  #closedBy: "reading" | "idleness" | "gone" | "edit" | undefined;

  /** `spec`: the rule to assume if the log does not hold it. */
  constructor(change: AlertChange, table: SeriesTable, spec: RuleSpec | undefined, part?: EvidencePart) {
    this.change = change;
    this.part = part ?? change.evidence;
    this.name = part?.name;
    this.#table = table;
    this.#key = keyName(change.key);
    this.#rule = spec && compileRule(spec);
  }

  get rule(): Rule | undefined {
    return this.#rule;
  }

  /** The input of the window; undefined if the rule is unknown. */
  get input(): InputSpec | undefined {
    return inputOf(this.#rule, this.name);
  }

  get closedBy() {
    return this.#closedBy;
  }

  /** In the order of arrival. */
  get readings(): readonly ExplainedReading[] {
    return this.#readings;
  }

  /** The newest reading before the window, which determines its first state. */
  get prior(): ExplainedReading | undefined {
    return this.#prior;
  }

  take(entry: LogEntry, { sequence, storedAtUs }: EntryPosition): void {
    const { input } = this.change.evidence;
    if (sequence > input.sequence) return;
    if (entry.kind === "gone") {
      const isCause = sequence === input.sequence && this.change.evidence.aggregate === "absent";
      if (isCause && isOfGone(this.change.key, entry.devices)) this.#closedBy = "gone";
      return;
    }
    if (this.#closedBy !== undefined) {
      this.#takeCorrections(entry, { sequence, storedAtUs }, 0);
      return;
    }
    if (this.#isEmittedLate && sequence === input.sequence && this.#isWhole()) this.#closedBy = "reading";
    else if (!this.#isEmittedLate && this.#isIdleAt(storedAtUs)) {
      this.#closedBy = "idleness";
      this.#takeCorrections(entry, { sequence, storedAtUs }, 0);
    } else if (entry.kind === "readings") this.#takeReadings(entry, { sequence, storedAtUs });
    else if (entry.kind === "rule_set") this.#takeRules(checkedRuleSet(entry.rulesJson), sequence);
  }

  #takeRules(specs: readonly RuleSpec[], sequence: number): void {
    const isLast = sequence === this.change.evidence.input.sequence;
    const spec = specs.find(({ id }) => id === this.change.rule);
    if (spec === undefined || isLast) {
      // The incident ended together with its rule, or the rule was added later.
      if (isLast) this.#closedBy = "edit";
      else this.#forget();
      return;
    }
    const next = compileRule(spec);
    if (inputOf(next, this.name)?.identity !== this.input?.identity) this.#forget();
    this.#rule = next;
    this.#wants.clear();
  }

  #forget(): void {
    this.#readings = [];
    this.#newestInUs = Number.NEGATIVE_INFINITY;
    this.#seen.clear();
    this.#wants.clear();
    this.#newest = undefined;
    this.#isEmittedLate = false;
    this.#takenUs = Number.NEGATIVE_INFINITY;
    this.#prior = undefined;
  }

  #takeReadings(entry: ReadingsEntry, at: { readonly sequence: number; readonly storedAtUs: number }): void {
    const { startUs, endUs } = this.part.window;
    const stored = storedBefore(entry);
    for (let i = 0; i < entry.count; i++) {
      if (this.#closedBy !== undefined) {
        this.#takeCorrections(entry, at, i);
        return;
      }
      const id = entry.seriesId[i] as number;
      if (!this.#isWanted(id)) continue;
      this.#moveClock(at.storedAtUs);
      const observedUs = entry.atUs[i] as number;
      const atUs = this.#timeOf(observedUs, stored.get(i) ?? at.storedAtUs);
      if (this.#isLeftOut(this.#reading(entry, i, { ...at, atUs }))) {
        this.#seen.add(`${this.#sensorOf(id)} ${observedUs}`);
        continue;
      }
      if (atUs < startUs || atUs >= endUs) {
        if (atUs < startUs && !(atUs < (this.#prior?.atUs ?? Number.NEGATIVE_INFINITY)))
          this.#prior = this.#reading(entry, i, { ...at, atUs });
      } else {
        const name = `${this.#sensorOf(id)} ${observedUs}`;
        if (!this.#seen.has(name) && !this.#isBehind(atUs)) {
          this.#readings.push(this.#reading(entry, i, { ...at, atUs }));
          this.#newestInUs = Math.max(this.#newestInUs, atUs);
        }
        this.#seen.add(name);
      }
      if (!(atUs <= (this.#newest?.atUs ?? Number.NEGATIVE_INFINITY)))
        this.#newest = { atUs, storedAtUs: at.storedAtUs };
      if (this.#isOver()) {
        if (this.#isWhole() && (!this.#isEmittedLate || at.sequence === this.change.evidence.input.sequence))
          this.#closedBy = "reading";
        else this.#isEmittedLate = true;
      }
    }
  }

  /** The window of one series can be corrected before the other series have emitted theirs. */
  #takeCorrections(
    entry: LogEntry,
    at: { readonly sequence: number; readonly storedAtUs: number },
    from: number,
  ): void {
    if (this.name === undefined) return;
    if (this.#waiting.length > 0 && at.storedAtUs >= this.#waitingSinceUs + CORRECTION_WAIT_US) {
      for (const reading of this.#waiting.splice(0)) this.#readings.push(reading);
    }
    if (entry.kind !== "readings") return;
    const { startUs, endUs } = this.part.window;
    const stored = storedBefore(entry);
    for (let i = from; i < entry.count; i++) {
      const id = entry.seriesId[i] as number;
      const observedUs = entry.atUs[i] as number;
      const atUs = this.#timeOf(observedUs, stored.get(i) ?? at.storedAtUs);
      const name = `${this.#sensorOf(id)} ${observedUs}`;
      if (!this.#isWanted(id) || atUs < startUs || atUs >= endUs || this.#seen.has(name)) continue;
      this.#seen.add(name);
      if (this.#isLeftOut(this.#reading(entry, i, { ...at, atUs }))) continue;
      if (this.#waiting.length === 0) this.#waitingSinceUs = at.storedAtUs;
      this.#waiting.push(this.#reading(entry, i, { ...at, atUs }));
    }
  }

  /** Whether the rule does not read such values. A second reading of its time is still a duplicate. */
  #isLeftOut({ value }: ExplainedReading): boolean {
    return this.input?.reads?.(value) === false;
  }

  /** In a group over several devices, no reading counts as later than it was stored. */
  #timeOf(atUs: number, storedAtUs: number): number {
    const isCapped = this.#rule !== undefined && isOverDevices(this.#rule.spec);
    return isCapped ? Math.min(atUs, storedAtUs) : atUs;
  }

  /** Count windows consume instants in order, by the key's clock, which advances even without readings. */
  #moveClock(storedAtUs: number): void {
    const windows = this.input?.windows;
    if (windows?.kind !== "count" || this.#newest === undefined) return;
    const { atUs, storedAtUs: arrivedUs } = this.#newest;
    const slackUs = windows.oneSeriesPerKey ? 0 : 1;
    this.#takenUs = Math.max(this.#takenUs, atUs - windows.latenessUs - slackUs + storedAtUs - arrivedUs);
  }

  /** Readings at or before a consumed instant are dropped. */
  #isBehind(atUs: number): boolean {
    if (atUs > this.#takenUs || atUs > this.#newestInUs) return false;
    return this.#readings.some((taken) => taken.atUs >= atUs && taken.atUs <= this.#takenUs);
  }

  #reading(
    entry: ReadingsEntry,
    i: number,
    at: { readonly atUs: number; readonly sequence: number; readonly storedAtUs: number },
  ): ExplainedReading {
    const { device, metric, kind } = this.#table.series(entry.seriesId[i] as number);
    const value = entry.values[i] as number;
    return {
      device,
      metric,
      value: kind === "string" ? (entry.texts[value] ?? "") : value,
      ...at,
    };
  }

  /** Equal for series that differ only in their kind, because a reading is identified without it. */
  #sensorOf(id: number): number {
    const known = this.#sensors[id];
    if (known !== undefined) return known;
    const key = sensorKey(this.#table.series(id));
    const sensor = this.#sensorIds.get(key) ?? this.#sensorIds.size;
    this.#sensorIds.set(key, sensor);
    this.#sensors[id] = sensor;
    return sensor;
  }

  #isWanted(id: number): boolean {
    const known = this.#wants.get(id);
    if (known !== undefined) return known;
    const series = this.#table.series(id);
    const { input } = this;
    const wanted =
      input?.selector.matches(series) === true && keyName(groupLabels(input.grouping, series)) === this.#key;
    this.#wants.set(id, wanted);
    return wanted;
  }

  /** Whether the newest reading shows that the window is over. */
  #isOver(): boolean {
    const windows = this.input?.windows;
    const newestUs = this.#newest?.atUs;
    if (windows === undefined || newestUs === undefined || windows.kind === "absent") return false;
    // A count window can only be over when it is full.
    if (windows.kind === "count" && this.#readings.length < windows.count) return false;
    const { endUs } = this.part.window;
    const closesUs = endUs + windows.latenessUs;
    if (windows.kind === "sliding" || windows.kind === "count") {
      return windows.oneSeriesPerKey ? newestUs >= closesUs - 1 : newestUs >= closesUs;
    }
    return newestUs >= closesUs;
  }

  /** Whether the readings at the window's bounds are present: for a session, the first and the last. */
  #isWhole(): boolean {
    const windows = this.input?.windows;
    if (windows?.kind !== "session") return this.#readings.length > 0;
    const { startUs, endUs } = this.part.window;
    const has = (wantedUs: number) => this.#readings.some(({ atUs }) => atUs === wantedUs);
    return has(startUs) && has(endUs - windows.gapUs);
  }

  #isIdleAt(storedAtUs: number): boolean {
    const windows = this.input?.windows;
    const newest = this.#newest;
    if (windows === undefined || newest === undefined || windows.kind === "absent") return false;
    const isLate = newest.atUs + (storedAtUs - newest.storedAtUs) >= this.part.window.endUs + windows.latenessUs;
    return isLate && this.#isWhole() && (windows.kind !== "count" || this.#readings.length >= windows.count);
  }
}

function inputOf(rule: Rule | undefined, name: string | undefined): InputSpec | undefined {
  return name === undefined ? rule?.inputs[0] : rule?.join?.names.find((one) => one.name === name)?.input;
}
