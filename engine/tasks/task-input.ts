import type { Tags } from "../../domain/reading.ts";
import { groupsControlSubject, groupsSubject, readingsSubject } from "../../domain/subjects.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { isOverDevices, shareOf } from "./shares.ts";

export interface WantedRules {
  readonly specs: readonly RuleSpec[];
  readonly version: string;
}

/**
 * What a task reads. With P partitions, tasks 0 to P - 1 read `readings.<task>` and compute the groups of single
 * devices; tasks P to 2P - 1 read `groups.<task - P>.>`, to which the former forward, and compute a share of the groups
 * over several devices.
 */
export type TaskInput = {
  readonly stream: "READINGS" | "GROUPS";
  /** All that is read. */
  readonly subjects: readonly string[];
  /** Where rule sets and ticks go. */
  readonly control: string;
} & (
  | { readonly kind: "partition"; readonly partition: number }
  | { readonly kind: "share"; readonly share: number; readonly partitions: number }
);

export function taskInput(task: number, partitions: number): TaskInput {
  if (task < partitions) {
    const subject = readingsSubject(task);
    return { kind: "partition", partition: task, stream: "READINGS", subjects: [subject], control: subject };
  }
  const share = task - partitions;
  const control = groupsControlSubject(share);
  return { kind: "share", share, partitions, stream: "GROUPS", subjects: [`groups.${share}.>`], control };
}

/** What the task's step computes, of a rule set for all. */
export function stepOptions(input: TaskInput) {
  if (input.kind === "partition") return { runs: (spec: RuleSpec) => !isOverDevices(spec) };
  const { share, partitions } = input;
  return {
    runs: isOverDevices,
    belongs: (labels: Tags) => shareOf(labels, partitions) === share,
  };
}

/**
 * The rules that a task wants in force; undefined when it needs none, or `all` are not known and those in force stay so.
 * A share has nothing to do with the rules of single devices, and editing them writes nothing to it. `inForce`: whether
 * it had any before.
 */
export function wantedOf(input: TaskInput, all: WantedRules | undefined, inForce: boolean): WantedRules | undefined {
  if (input.kind === "partition" || all === undefined) return all;
  const specs = all.specs.filter(isOverDevices);
  return specs.length > 0 || inForce ? { specs, version: versionOf(specs) } : undefined;
}

/** The exact subjects of all entries that the task has to read. */
export function entrySubjects(input: TaskInput): readonly string[] {
  if (input.kind === "partition") return [input.control];
  const sources = Array.from({ length: input.partitions }, (_, partition) => groupsSubject(input.share, partition));
  return [input.control, ...sources];
}
