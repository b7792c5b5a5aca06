import type { AlertChange } from "../../domain/alert.ts";
import type { LogEntry, ReadingsEntry, SeriesTable } from "../../domain/frame-reader.ts";
import type { ExplainedReading } from "../../platform/explanations.ts";
import { compileRule, type Rule } from "../rules/compile.ts";
import type { RuleSpec } from "../rules/rule-spec.ts";
import { groupLabels } from "../rules/selector.ts";
import { keyName } from "../step/key-table.ts";
import type { EntryPosition } from "../step/rule-state.ts";

/**
 * Gathers, while the log is read, the readings of the window that decided an alert change: those that had come before it
 * closed. Follows the closing of windows as docs/windows.md defines it, apart from the step.
 */
export class DecidingWindow {
  readonly change: AlertChange;
  readonly #table: SeriesTable;
  readonly #key: string;
  readonly #wants = new Map<number, boolean>();
  readonly #seen = new Set<string>();
  #rule: Rule | undefined;
  #readings: ExplainedReading[] = [];
  #prior: ExplainedReading | undefined;
  #newest: { readonly atUs: number; readonly storedAtUs: number } | undefined;
  /** The window was over before it had a reading: late ones made it be told, with those that came until then. */
  #isToldLate = false;
  /** Instants up to here were taken by a window by count. */
  #takenUs = Number.NEGATIVE_INFINITY;
  #closedBy: "reading" | "idleness" | "edit" | undefined;

  /** `spec`: what the rule is taken to be where the log does not say. */
  constructor(change: AlertChange, table: SeriesTable, spec: RuleSpec | undefined) {
    this.change = change;
    this.#table = table;
    this.#key = keyName(change.key);
    this.#rule = spec && compileRule(spec);
  }

  get rule(): Rule | undefined {
    return this.#rule;
  }

  get closedBy() {
    return this.#closedBy;
  }

  /** By their arrival. */
  get readings(): readonly ExplainedReading[] {
    return this.#readings;
  }

  /** The newest reading before the window: what a window of states begins with. */
  get prior(): ExplainedReading | undefined {
    return this.#prior;
  }

  take(entry: LogEntry, { sequence, storedAtUs }: EntryPosition): void {
    const { input } = this.change.evidence;
    if (this.#closedBy !== undefined || sequence > input.sequence) return;
    if (this.#isToldLate && sequence === input.sequence && this.#isWhole()) this.#closedBy = "reading";
    else if (!this.#isToldLate && this.#isIdleAt(storedAtUs)) this.#closedBy = "idleness";
    else if (entry.kind === "readings") this.#takeReadings(entry, { sequence, storedAtUs });
    else if (entry.kind === "rule_set") this.#takeRules(JSON.parse(entry.rulesJson), sequence);
  }

  #takeRules(specs: readonly RuleSpec[], sequence: number): void {
    const isLast = sequence === this.change.evidence.input.sequence;
    const spec = specs.find(({ id }) => id === this.change.rule);
    if (spec === undefined || isLast) {
      // The incident ended with its rule, or the rule came to be later.
      if (isLast) this.#closedBy = "edit";
      else this.#forget();
      return;
    }
    const next = compileRule(spec);
    if (next.input.identity !== this.#rule?.input.identity) this.#forget();
    this.#rule = next;
    this.#wants.clear();
  }

  #forget(): void {
    this.#readings = [];
    this.#seen.clear();
    this.#wants.clear();
    this.#newest = undefined;
    this.#isToldLate = false;
    this.#takenUs = Number.NEGATIVE_INFINITY;
    this.#prior = undefined;
  }

  #takeReadings(entry: ReadingsEntry, at: { readonly sequence: number; readonly storedAtUs: number }): void {
    const { startUs, endUs } = this.change.evidence.window;
    for (let i = 0; i < entry.count && this.#closedBy === undefined; i++) {
      const id = entry.seriesId[i] as number;
      if (!this.#isWanted(id)) continue;
      this.#moveClock(at.storedAtUs);
      const atUs = entry.atUs[i] as number;
      if (atUs < startUs || atUs >= endUs) {
        if (atUs < startUs && !(atUs < (this.#prior?.atUs ?? Number.NEGATIVE_INFINITY)))
          this.#prior = this.#reading(entry, i, at);
      } else {
        const name = `${id} ${atUs}`;
        if (!this.#seen.has(name) && !this.#isBehind(atUs)) this.#readings.push(this.#reading(entry, i, at));
        this.#seen.add(name);
      }
      if (!(atUs <= (this.#newest?.atUs ?? Number.NEGATIVE_INFINITY)))
        this.#newest = { atUs, storedAtUs: at.storedAtUs };
      if (this.#isOver()) {
        if (this.#isWhole() && (!this.#isToldLate || at.sequence === this.change.evidence.input.sequence))
          this.#closedBy = "reading";
        else this.#isToldLate = true;
      }
    }
  }

  /** Windows by count take instants in order, by the key's clock, which runs on while nothing comes. */
  #moveClock(storedAtUs: number): void {
    const windows = this.#rule?.input.windows;
    if (windows?.kind !== "count" || this.#newest === undefined) return;
    const { atUs, storedAtUs: arrivedUs } = this.#newest;
    const slackUs = windows.oneSeriesPerKey ? 0 : 1;
    this.#takenUs = Math.max(this.#takenUs, atUs - windows.latenessUs - slackUs + storedAtUs - arrivedUs);
  }

  /** What comes at or before an instant that was taken is dropped. */
  #isBehind(atUs: number): boolean {
    return this.#readings.some((taken) => taken.atUs >= atUs && taken.atUs <= this.#takenUs);
  }

  #reading(
    entry: ReadingsEntry,
    i: number,
    at: { readonly sequence: number; readonly storedAtUs: number },
  ): ExplainedReading {
    const { device, metric, kind } = this.#table.series(entry.seriesId[i] as number);
    const value = entry.values[i] as number;
    return {
      device,
      metric,
      atUs: entry.atUs[i] as number,
      value: kind === "string" ? (entry.texts[value] ?? "") : value,
      ...at,
    };
  }

  #isWanted(id: number): boolean {
    const known = this.#wants.get(id);
    if (known !== undefined) return known;
    const series = this.#table.series(id);
    const rule = this.#rule;
    const wanted =
      rule?.input.selector.matches(series) === true && keyName(groupLabels(rule.input.groupBy, series)) === this.#key;
    this.#wants.set(id, wanted);
    return wanted;
  }

  /** Whether the newest reading shows that the window is over. */
  #isOver(): boolean {
    const windows = this.#rule?.input.windows;
    const newestUs = this.#newest?.atUs;
    if (windows === undefined || newestUs === undefined || windows.kind === "absent") return false;
    // One by count is over when it is full, whatever the clock says.
    if (windows.kind === "count" && this.#readings.length < windows.count) return false;
    const { endUs } = this.change.evidence.window;
    const closesUs = endUs + windows.latenessUs;
    if (windows.kind === "sliding" || windows.kind === "count") {
      return windows.oneSeriesPerKey ? newestUs >= closesUs - 1 : newestUs >= closesUs;
    }
    return newestUs >= closesUs;
  }

  /** Whether what bounds the window has come; a session is known by its first and last reading. */
  #isWhole(): boolean {
    const windows = this.#rule?.input.windows;
    if (windows?.kind !== "session") return this.#readings.length > 0;
    const { startUs, endUs } = this.change.evidence.window;
    const has = (wantedUs: number) => this.#readings.some(({ atUs }) => atUs === wantedUs);
    return has(startUs) && has(endUs - windows.gapUs);
  }

  #isIdleAt(storedAtUs: number): boolean {
    const windows = this.#rule?.input.windows;
    const newest = this.#newest;
    if (windows === undefined || newest === undefined || windows.kind === "absent") return false;
    if (!this.#isWhole() || (windows.kind === "count" && this.#readings.length < windows.count)) return false;
    return newest.atUs + (storedAtUs - newest.storedAtUs) >= this.change.evidence.window.endUs + windows.latenessUs;
  }
}
