import type { AlertChange } from "../../domain/alert.ts";
import { keyName } from "../../domain/alert-ids.ts";
import type { LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import type { Tags } from "../../domain/reading.ts";
import { formatDurationUs } from "../../domain/time.ts";
import { compileRule } from "../../engine/rules/compile.ts";
import type { EntryPosition, StepOutput } from "../../engine/step.ts";
import { hasAlert } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { type AlertDiff, addTotals, type DiffTotals, diffSpans } from "./diff.ts";
import { type FiringSpan, FiringSpans } from "./firing-spans.ts";
import { type EntryFor, RuleSetFold } from "./rule-set-fold.ts";
import { Trace } from "./trace.ts";

/** An entry of a recorded stretch. Sources yield entries in the order of processing time. */
export interface RecordedEntry {
  readonly entry: LogEntry;
  readonly position: EntryPosition;
  /** Default: `both`. Readings for shares are copies, so they are not counted. */
  readonly for?: EntryFor;
}

/** The result of one rule set. */
export interface RuleSetOutcome {
  readonly specs: readonly RuleSpec[];
  readonly spans: readonly FiringSpan[];
  readonly windows: number;
  readonly changes: number;
  readonly spansLeftOut: number;
  /** The first aggregate of each rule with a condition, by rule and group (`traceName`). Empty without `keepTraces`. */
  readonly traces: ReadonlyMap<string, Trace>;
}

export interface BacktestOutcome {
  readonly readings: number;
  readonly fromUs: number;
  readonly toUs: number;
  /** Unwatched pauses: more than 30 s between entries of a partition. */
  readonly pauses: number;
  readonly candidate: RuleSetOutcome;
  /** The rule set to compare with. */
  readonly live: RuleSetOutcome | undefined;
  /** Limits of the result that the reader must know. */
  readonly notes: readonly string[];
  readonly diff: readonly AlertDiff[];
  readonly totals: DiffTotals;
}

export interface BacktestOptions {
  /** The table with which the entries were read. */
  readonly table: SeriesTable;
  readonly partitions: number;
  readonly candidate: readonly RuleSpec[];
  readonly live?: readonly RuleSpec[] | undefined;
  readonly keepTraces?: boolean;
  /** Rules over several devices for which the source yields entries of shares; none by default. */
  readonly fromShares?: (spec: RuleSpec) => boolean;
  readonly notes?: readonly string[];
  /** Called for each alert change of the candidate, in the order of the entries. */
  readonly onChange?: (change: AlertChange) => void;
  /** Called at regular intervals. */
  readonly progress?: (readings: number, atUs: number) => void;
}

const TRACES_MAX = 20_000;
const PAUSE_US = 30_000_000;
const PROGRESS_READINGS = 250_000;

/** Folds a recorded stretch under one or two rule sets. Returns the firings and their differences. */
export async function backtest(
  source: AsyncIterable<readonly RecordedEntry[]> | Iterable<readonly RecordedEntry[]>,
  options: BacktestOptions,
): Promise<BacktestOutcome> {
  const { candidate, live, progress, onChange } = options;
  const runs = [new Run(candidate, options, onChange), ...(live ? [new Run(live, options)] : [])];
  const storedUs = new Map<number, number>();
  let readings = 0;
  let reported = 0;
  let pauses = 0;
  let fromUs = Number.POSITIVE_INFINITY;
  let toUs = Number.NEGATIVE_INFINITY;
  for await (const batch of source) {
    for (const { entry, position, for: entryFor = "both" } of batch) {
      if (entry.kind === "readings" && entryFor !== "share") {
        readings += entry.count;
        for (let i = 0; i < entry.count; i++) {
          const atUs = entry.atUs[i] as number;
          if (atUs < fromUs) fromUs = atUs;
          if (atUs > toUs) toUs = atUs;
        }
      }
      const beforeUs = storedUs.get(position.task) ?? position.storedAtUs;
      if (position.storedAtUs - beforeUs > PAUSE_US) pauses++;
      storedUs.set(position.task, position.storedAtUs);
      for (const run of runs) run.fold.apply(entry, position, entryFor);
    }
    if (progress && readings - reported >= PROGRESS_READINGS) {
      reported = readings;
      progress(readings, toUs);
    }
  }
  const [after, before] = runs.map((run) => run.finish(toUs)) as [RuleSetOutcome, RuleSetOutcome | undefined];
  const diff = diffSpans(before?.spans ?? [], after.spans);
  const totals = addTotals(diff.map((alert) => alert.totals));
  const { notes = [] } = options;
  return { readings, fromUs, toUs, pauses, candidate: after, live: before, notes, diff, totals };
}

class Run {
  readonly fold: RuleSetFold;
  readonly #specs: readonly RuleSpec[];
  readonly #spans = new FiringSpans();
  readonly #traces = new Map<string, Trace>();
  /** By rule: the name of the value to trace. */
  readonly #traced: ReadonlyMap<string, string>;
  readonly #traceOfLabels = new WeakMap<Tags, Map<string, Trace | undefined>>();
  readonly #onChange: ((change: AlertChange) => void) | undefined;
  #windows = 0;

  constructor(specs: readonly RuleSpec[], options: BacktestOptions, onChange?: (change: AlertChange) => void) {
    const { keepTraces } = options;
    this.#specs = specs;
    this.#onChange = onChange;
    this.fold = new RuleSetFold({ ...options, specs, emit: (output) => this.#take(output) });
    const traced = keepTraces ? specs.filter((spec) => spec.absent === undefined && hasAlert(spec)) : [];
    this.#traced = new Map(traced.map((spec) => [spec.id, compileRule(spec).valueName]));
  }

  finish(toUs: number): RuleSetOutcome {
    return {
      specs: this.#specs,
      spans: this.#spans.finish(toUs),
      windows: this.#windows,
      changes: this.#spans.changes,
      spansLeftOut: this.#spans.leftOut,
      traces: this.#traces,
    };
  }

  #take({ alerts, windows }: StepOutput): void {
    this.#windows += windows.length;
    for (const change of alerts) {
      this.#spans.add(change);
      this.#onChange?.(change);
    }
    if (this.#traced.size === 0) return;
    for (const { rule, labels, endUs, aggregates } of windows) {
      const aggregate = this.#traced.get(rule);
      const value = aggregate === undefined ? undefined : aggregates[aggregate];
      if (typeof value === "number") this.#traceOf(rule, labels)?.add(endUs, value);
    }
  }

  /** By labels object, which the results of one group share. Building its name each time is slow. */
  #traceOf(rule: string, labels: Tags): Trace | undefined {
    let byRule = this.#traceOfLabels.get(labels);
    if (byRule === undefined) {
      byRule = new Map();
      this.#traceOfLabels.set(labels, byRule);
    }
    let trace = byRule.get(rule);
    if (trace === undefined && !byRule.has(rule)) {
      trace = this.#traces.size < TRACES_MAX ? new Trace() : undefined;
      byRule.set(rule, trace);
      if (trace) this.#traces.set(traceName(rule, labels), trace);
    }
    return trace;
  }
}

export function traceName(rule: string, key: Tags): string {
  return `${rule}\u0000${keyName(key)}`;
}

/** In whole seconds, which are precise enough for sums. */
export function roundedDuration(us: number): string {
  return formatDurationUs(Math.round(us / 1e6) * 1e6);
}
