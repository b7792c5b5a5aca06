import type { LogEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { versionOf } from "../rules/load-rules.ts";
import type { RuleSpec } from "../rules/rule-spec.ts";
import type { EntryPosition, StepOutput } from "../step/rule-state.ts";
import { isOverDevices } from "../step/shares.ts";
import { Step } from "../step/step.ts";

/**
 * One rule set at work on a recorded stretch of time. Partitions are folded apart, as the gateway does; the rules over several
 * devices see the readings of all partitions, in the order in which they are given.
 */
export class RuleSetFold {
  readonly #table: SeriesTable;
  readonly #specs: readonly RuleSpec[];
  readonly #partitions: number;
  readonly #tell: (output: StepOutput) => void;
  readonly #steps = new Map<number, Step>();

  /** Entries must have been read with the table; several folds may share it. */
  constructor(options: {
    readonly table: SeriesTable;
    readonly specs: readonly RuleSpec[];
    readonly partitions: number;
    readonly tell: (output: StepOutput) => void;
  }) {
    this.#table = options.table;
    this.#specs = options.specs;
    this.#partitions = options.partitions;
    this.#tell = options.tell;
  }

  /** Rule sets that the recording holds are passed over: this one holds from the beginning. */
  apply(entry: LogEntry, position: EntryPosition): void {
    if (entry.kind === "rule_set") return;
    const singles = this.#stepOf(position.partition, position.storedAtUs);
    if (singles) this.#say(singles.apply(entry, position));
    const groups = this.#stepOf(this.#partitions, position.storedAtUs);
    if (groups) this.#say(groups.apply(entry, { ...position, partition: this.#partitions }));
  }

  /** Undefined where no rule is for it. `task`: a partition, or the number of partitions for rules over devices. */
  #stepOf(task: number, atUs: number): Step | undefined {
    const known = this.#steps.get(task);
    if (known) return known;
    const isGroups = task === this.#partitions;
    const specs = this.#specs.filter((spec) => isOverDevices(spec) === isGroups);
    if (specs.length === 0) return undefined;
    const step = new Step(this.#table);
    this.#steps.set(task, step);
    const rules = { kind: "rule_set", version: versionOf(specs), rulesJson: JSON.stringify(specs) } as const;
    step.apply(rules, { partition: task, sequence: 0, storedAtUs: atUs });
    return step;
  }

  #say(output: StepOutput): void {
    if (output.alerts.length > 0 || output.windows.length > 0) this.#tell(output);
  }
}
