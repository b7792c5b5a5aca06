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
 * ADR 11. The input of a task. With P partitions, tasks 0 to P - 1 read `readings.<task>`, compute the groups of
 * single devices, and forward readings to `groups`. Tasks P to 2P - 1 read `groups.<task - P>.>` and compute one
 * share of the groups over several devices.
 */
export type TaskInput = {
  readonly stream: "READINGS" | "GROUPS";
  /** The subjects to subscribe to. */
  readonly subjects: readonly string[];
  /** The subject of rule sets and ticks. */
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

/** The part of a rule set that the task's step computes. */
export function stepOptions(input: TaskInput) {
  if (input.kind === "partition") return { runs: (spec: RuleSpec) => !isOverDevices(spec) };
  const { share, partitions } = input;
  return {
    runs: isOverDevices,
    belongs: (labels: Tags) => shareOf(labels, partitions) === share,
  };
}

/**
 * The rules that a task must have in force. Undefined when it needs none, or when `all` is unknown and the current
 * rules stay in force. A share ignores rules over single devices, so an edit of those writes nothing to its log.
 * `inForce`: whether the task had rules before.
 */
export function wantedOf(input: TaskInput, all: WantedRules | undefined, inForce: boolean): WantedRules | undefined {
  if (input.kind === "partition" || all === undefined) return all;
  const specs = all.specs.filter(isOverDevices);
  return specs.length > 0 || inForce ? { specs, version: versionOf(specs) } : undefined;
}

/** The exact subjects of the entries, without wildcards. */
export function entrySubjects(input: TaskInput): readonly string[] {
  if (input.kind === "partition") return [input.control];
  const sources = Array.from({ length: input.partitions }, (_, partition) => groupsSubject(input.share, partition));
  return [input.control, ...sources];
}
