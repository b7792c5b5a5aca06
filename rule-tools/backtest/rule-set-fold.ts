import type { LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { type EntryPosition, Step, type StepOptions, type StepOutput } from "../../engine/step.ts";
import { isOverDevices } from "../../engine/tasks/shares.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/**
 * Which rules an entry is for. `devices`: those of single devices, partition by partition. `both`: besides, those over several
 * devices, all partitions in one. `share`: those over several devices that the groups log has
 * everything for, share by share; the position's partition is then the number of the share's task.
 */
export type EntryFor = "both" | "devices" | "share";

export interface RuleSetFoldOptions {
  readonly table: SeriesTable;
  readonly specs: readonly RuleSpec[];
  readonly partitions: number;
  /** Rules over several devices that are computed from the groups log; by default none. */
  readonly fromShares?: (spec: RuleSpec) => boolean;
  readonly tell: (output: StepOutput) => void;
}

/** One rule set at work on a recorded stretch of time, in the tasks that the gateway has for it. */
export class RuleSetFold {
  readonly #options: RuleSetFoldOptions;
  /** By task; undefined where no rule is for it. */
  readonly #steps = new Map<number, Step | undefined>();

  /** Entries must have been read with the table; several folds may share it. */
  constructor(options: RuleSetFoldOptions) {
    this.#options = options;
  }

  /** Rule sets that the recording holds are passed over: this one holds from the beginning. */
  apply(entry: LogEntry, position: EntryPosition, entryFor: EntryFor): void {
    if (entry.kind === "rule_set") return;
    this.#applyTo(position.task, entry, position);
    // A task of its own, after all that the gateway has.
    if (entryFor === "both") this.#applyTo(2 * this.#options.partitions, entry, position);
  }

  #applyTo(task: number, entry: LogEntry, position: EntryPosition): void {
    let step = this.#steps.get(task);
    if (step === undefined && !this.#steps.has(task)) {
      step = this.#begin(task, position.storedAtUs);
      this.#steps.set(task, step);
    }
    const output = step?.apply(entry, { ...position, task });
    if (output && (output.alerts.length > 0 || output.results.length > 0)) this.#options.tell(output);
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
