import type { Reading, Tags } from "../../../domain/reading.ts";
import { alertsFateOf, identityOf } from "./edits.ts";
import { forgetTimesOf, NO_RULES_FORGET_US } from "./forget-times.ts";
import { labelsOf, nameOf, seriesOf, wants } from "./labels.ts";
import type { Change, DeviceLedger, OracleEntry, OracleResult, OracleRule, StoredReading } from "./model.ts";
import { type GrowingOutputs, RuleOracle } from "./rule-oracle.ts";
import { SharedWindows, type Watch } from "./shared-windows.ts";

/** A longer pause between two entries is unwatched. */
const UNWATCHED_US = 30_000_000;

/** Everything that follows from a partition's log. */
export interface OracleOutputs {
  readonly windows: readonly OracleResult[];
  readonly alerts: readonly Change[];
  readonly ledger: ReadonlyMap<string, DeviceLedger>;
}

/**
 * The document on windows, clocks and alerts, computed by brute force: it keeps everything, and recomputes everything
 * at each event. It shares no code with the processors.
 */
export class Oracle {
  readonly #outputs: GrowingOutputs = { windows: [], alerts: [] };
  readonly #watch: Watch = { nowUs: Number.NaN };
  readonly #ledger = new Map<string, DeviceLedger>();
  /** By series: its times, its names in `#known`, and when its newest reading came. */
  readonly #seen = new Map<string, { readonly times: Set<number>; readonly names: Set<string>; cameUs: number }>();
  readonly #known = new Map<string, Reading>();
  readonly #runs: (rule: OracleRule) => boolean;
  readonly #belongs: (rule: string, labels: Tags) => boolean;
  #rules: RuleOracle[] = [];
  #windows = new Map<string, SharedWindows>();
  /** How long the times of a series are kept without readings. */
  #forgetUs = NO_RULES_FORGET_US;

  /** `runs`: which rules of the log's rule sets to compute. `belongs`: which of their groups. All by default. */
  constructor(
    runs: (rule: OracleRule) => boolean = () => true,
    belongs: (rule: string, labels: Tags) => boolean = () => true,
  ) {
    this.#runs = runs;
    this.#belongs = belongs;
  }

  /** Applies one entry. Returns its outputs. */
  apply(entry: OracleEntry): { readonly windows: readonly OracleResult[]; readonly alerts: readonly Change[] } {
    const windows = this.#outputs.windows.length;
    const alerts = this.#outputs.alerts.length;
    this.#passTime(entry.storedAtUs);
    if (entry.kind === "readings") for (const reading of entry.readings) this.#take(reading);
    else if (entry.kind === "gone") for (const windows of this.#windows.values()) windows.leave(entry.devices);
    else if (entry.kind === "rules") {
      this.#edit(entry.specs);
      // After an edit, an absence can be overdue.
      this.#passTime(entry.storedAtUs);
    }
    return { windows: this.#outputs.windows.slice(windows), alerts: this.#outputs.alerts.slice(alerts) };
  }

  outputs(): OracleOutputs {
    return { ...this.#outputs, ledger: this.#ledger };
  }

  #passTime(storedAtUs: number): void {
    const watch = this.#watch;
    if (Number.isNaN(watch.nowUs)) watch.nowUs = storedAtUs;
    const toUs = Math.max(watch.nowUs, storedAtUs);
    const watched = toUs - watch.nowUs <= UNWATCHED_US;
    for (;;) {
      const next = this.#nextEvent(watch.nowUs, watched);
      if (next === undefined || next.dueUs > toUs) break;
      next.happen();
    }
    if (watched) for (const windows of this.#windows.values()) windows.count(watch.nowUs, toUs);
    watch.nowUs = toUs;
    for (const [series, { names, cameUs }] of this.#seen) {
      if (toUs - cameUs < this.#forgetUs) continue;
      this.#seen.delete(series);
      for (const name of names) this.#known.delete(name);
    }
  }

  /** What is due first. Of what is due at the same instant, keys are forgotten last. */
  #nextEvent(fromUs: number, watched: boolean): { readonly dueUs: number; happen(): void } | undefined {
    const all = [...this.#windows.values()];
    const windows = all
      .filter(({ absence }) => watched || !absence)
      .map((each) => ({ dueUs: each.dueUs(), happen: () => each.happen() }));
    const alerts = this.#rules.map((each) => {
      const dueUs = Math.max(fromUs, each.forgottenUs());
      return { dueUs, happen: () => each.forget(dueUs, watched) };
    });
    const silent = all.map((each) => {
      const dueUs = Math.max(fromUs, each.forgottenUs());
      return { dueUs, happen: () => each.forget(dueUs) };
    });
    return [...windows, ...alerts, ...silent].sort((a, b) => a.dueUs - b.dueUs)[0];
  }

  #take(reading: StoredReading): void {
    const { device, metric, tags, atUs, value } = reading;
    const series = JSON.stringify([device, metric, nameOf(tags)]);
    const seen = this.#seen.get(series) ?? { times: new Set(), names: new Set(), cameUs: 0 };
    this.#seen.set(series, seen);
    seen.cameUs = this.#watch.nowUs;
    // A rule that selects the series reads at least its numbers.
    if (!this.#rules.some((rule) => rule.windowsFor({ ...reading, value: 0 }).length > 0)) return;
    const isSecond = seen.times.has(atUs);
    const isOld = [...seen.times].some((other) => other > atUs);
    seen.times.add(atUs);
    const taking = new Set(this.#rules.flatMap((rule) => rule.windowsFor(reading)));
    if (taking.size === 0) return;
    const owner = JSON.stringify([device, nameOf(tags)]);
    const ledger = this.#ledger.get(owner) ?? { readings: 0, duplicates: 0, lateDropped: 0, lateApplied: 0 };
    this.#ledger.set(owner, ledger);
    ledger.readings++;
    if (isSecond) {
      ledger.duplicates++;
      for (const windows of taking) windows.takeAgain(reading, isOld);
      return;
    }
    const name = JSON.stringify([series, typeof value]);
    seen.names.add(name);
    this.#known.set(name, reading);
    const fates = [...taking].map((windows) => windows.take(reading, isOld));
    if (fates.some(({ corrected }) => corrected)) ledger.lateApplied++;
    else if (fates.some(({ late }) => late) && !fates.some(({ changed }) => changed)) {
      ledger.lateDropped++;
    }
  }

  #edit(all: readonly OracleRule[]): void {
    const specs = all.filter(this.#runs);
    const windows = new Map<string, SharedWindows>();
    for (const { spec } of specs.flatMap(seriesOf)) {
      const identity = identityOf(spec);
      const shared = windows.get(identity) ?? this.#windows.get(identity) ?? new SharedWindows(spec, this.#watch);
      windows.set(identity, shared);
    }
    const kept = this.#rules.filter((old) => {
      const after = specs.find(({ id }) => id === old.rule.id);
      const fate = alertsFateOf(old.rule, after);
      if (fate === "end") old.end(() => false);
      else if (fate === "go-on-where-taken" && after)
        old.end((reading, labels) => wants(after, reading) && nameOf(labelsOf(after, reading)) === nameOf(labels));
      return fate !== "end";
    });
    const out = { outputs: this.#outputs, watch: this.#watch, belongs: this.#belongs, known: this.#known };
    this.#rules = specs.map((spec) => {
      const rule = kept.find((old) => old.rule.id === spec.id) ?? new RuleOracle(spec, out);
      const series = seriesOf(spec).map((each) => {
        return { ...each, windows: windows.get(identityOf(each.spec)) ?? new SharedWindows(each.spec, this.#watch) };
      });
      rule.follow(spec, series);
      return rule;
    });
    for (const shared of windows.values()) {
      shared.listeners = this.#rules.flatMap((rule) =>
        rule.series.filter((each) => each.windows === shared).map(({ name }) => rule.listenerOf(name)),
      );
    }
    this.#windows = windows;
    const times = forgetTimesOf(
      this.#rules.map(({ rule, series }) => ({ rule, windows: series.map((each) => each.windows) })),
    );
    for (const [i, rule] of this.#rules.entries()) rule.forgetUs = times[i] ?? 0;
    for (const shared of windows.values()) {
      const reading = this.#rules.find(({ series }) => series.some((each) => each.windows === shared));
      shared.forgetUs = reading?.forgetUs ?? 0;
    }
    this.#forgetUs = times.length > 0 ? Math.max(...times) : NO_RULES_FORGET_US;
  }
}

/** The oracle's outputs for a partition's whole log. */
export function oracleOutputs(entries: readonly OracleEntry[]): OracleOutputs {
  const oracle = new Oracle();
  for (const entry of entries) oracle.apply(entry);
  return oracle.outputs();
}
