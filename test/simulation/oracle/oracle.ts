import type { Reading, Tags } from "../../../domain/reading.ts";
import { alertsFateOf, identityOf } from "./edits.ts";
import { labelsOf, nameOf, seriesOf, wants } from "./labels.ts";
import type { Change, DeviceLedger, OracleEntry, OracleResult, OracleRule } from "./model.ts";
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
  readonly #seen = new Set<string>();
  readonly #known = new Map<string, Reading>();
  readonly #runs: (rule: OracleRule) => boolean;
  readonly #belongs: (rule: string, labels: Tags) => boolean;
  #rules: RuleOracle[] = [];
  #windows = new Map<string, SharedWindows>();

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
      const due = [...this.#windows.values()]
        .filter(({ absence }) => watched || !absence)
        .map((windows) => ({ windows, dueUs: windows.dueUs() }))
        .sort((a, b) => a.dueUs - b.dueUs)[0];
      if (due === undefined || due.dueUs > toUs) break;
      due.windows.happen();
    }
    if (watched) for (const windows of this.#windows.values()) windows.count(watch.nowUs, toUs);
    watch.nowUs = toUs;
  }

  #take(reading: Reading): void {
    const { device, metric, tags, atUs, value } = reading;
    // A rule that selects the series reads at least its numbers.
    if (!this.#rules.some((rule) => rule.windowsFor({ ...reading, value: 0 }).length > 0)) return;
    const name = JSON.stringify([device, metric, nameOf(tags), atUs]);
    const isSecond = this.#seen.has(name);
    this.#seen.add(name);
    const taking = new Set(this.#rules.flatMap((rule) => rule.windowsFor(reading)));
    if (taking.size === 0) return;
    const owner = JSON.stringify([device, nameOf(tags)]);
    const ledger = this.#ledger.get(owner) ?? { readings: 0, duplicates: 0, lateDropped: 0, lateApplied: 0 };
    this.#ledger.set(owner, ledger);
    ledger.readings++;
    if (isSecond) {
      ledger.duplicates++;
      for (const windows of taking) if (windows.absence) windows.take(reading);
      return;
    }
    this.#known.set(JSON.stringify([device, metric, nameOf(tags), typeof value]), reading);
    const fates = [...taking].map((windows) => windows.take(reading));
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
  }
}

/** The oracle's outputs for a partition's whole log. */
export function oracleOutputs(entries: readonly OracleEntry[]): OracleOutputs {
  const oracle = new Oracle();
  for (const entry of entries) oracle.apply(entry);
  return oracle.outputs();
}
