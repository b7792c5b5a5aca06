import type { Tags } from "../domain/reading.ts";
import { groupsControlSubject, groupsSubject, readingsSubject } from "../domain/subjects.ts";
import type { Log } from "../platform/log/port.ts";
import { versionOf } from "./rules/load-rules.ts";
import type { RuleSpec } from "./rules/rule-spec.ts";
import { isOverDevices, shareOf } from "./step/shares.ts";

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

/** The newest entry that the task has to read. */
export async function newestEntry(log: Pick<Log, "lastFor" | "bounds">, input: TaskInput): Promise<number> {
  if (input.kind === "partition") return (await log.lastFor("READINGS", input.control))?.sequence ?? 0;
  // Nobody has forwarded anything yet: the usual thing where no rule is over devices.
  if ((await log.bounds("GROUPS")).lastSequence === 0) return 0;
  const sources = Array.from({ length: input.partitions }, (_, partition) => groupsSubject(input.share, partition));
  const newest = await Promise.all([input.control, ...sources].map((subject) => log.lastFor("GROUPS", subject)));
  return Math.max(...newest.map((message) => message?.sequence ?? 0));
}
