import type { LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { type EntryPosition, Step, type StepOptions, type StepOutput } from "../../engine/step.ts";
import { isOverDevices } from "../../engine/tasks/shares.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/**
 * The rules that an entry is for. `devices`: rules over single devices, by partition. `both`: also rules over several
 * devices, in one task for all partitions. `share`: rules over several devices for which the groups log is complete,
 * by share. The position has the number of the share's task.
 */
export type EntryFor = "both" | "devices" | "share";

export interface RuleSetFoldOptions {
  readonly table: SeriesTable;
  readonly specs: readonly RuleSpec[];
  readonly partitions: number;
  /** Rules over several devices that are computed from the groups log; none by default. */
  readonly fromShares?: (spec: RuleSpec) => boolean;
  readonly emit: (output: StepOutput) => void;
}

/** Folds a recorded stretch under one rule set, with the same tasks as the gateway. */
export class RuleSetFold {
  readonly #options: RuleSetFoldOptions;
  /** By task; undefined if the task has no rules. */
  readonly #steps = new Map<number, Step | undefined>();

  /** Entries must have been read with this table. Several folds may share it. */
  constructor(options: RuleSetFoldOptions) {
    this.#options = options;
  }

  /** Skips the rule sets of the recording, because this one is in force from the start. */
  apply(entry: LogEntry, position: EntryPosition, entryFor: EntryFor): void {
    if (entry.kind === "rule_set") return;
    this.#applyTo(position.task, entry, position);
    // An extra task, numbered after those of the gateway.
    if (entryFor === "both") this.#applyTo(2 * this.#options.partitions, entry, position);
  }

  #applyTo(task: number, entry: LogEntry, position: EntryPosition): void {
    let step = this.#steps.get(task);
    if (step === undefined && !this.#steps.has(task)) {
      step = this.#begin(task, position.storedAtUs);
      this.#steps.set(task, step);
    }
    const output = step?.apply(entry, { ...position, task });
    if (output && (output.alerts.length > 0 || output.results.length > 0)) this.#options.emit(output);
  }

  #begin(task: number, atUs: number): Step | undefined {
    const { specs, partitions, fromShares = () => false, table } = this.#options;
    const isMerged = task === 2 * partitions;
    const options: StepOptions = isMerged ? { runs: isOverDevices } : stepOptions(taskInput(task, partitions));
    const { runs = () => true } = options;
    const own = specs.filter((spec) => runs(spec) && (!isOverDevices(spec) || fromShares(spec) !== isMerged));
    if (own.length === 0) return undefined;
    const step = new Step(table, options);
    const rules = { kind: "rule_set", version: versionOf(own), rulesJson: JSON.stringify(own) } as const;
    step.apply(rules, { task, sequence: 0, storedAtUs: atUs });
    return step;
  }
}
