import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";
import { SERIES } from "../../rule-language/spec/grouping.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/** Whether a group of the rule can hold several devices, and so needs readings from several partitions. */
export function isOverDevices({ group_by }: Pick<RuleSpec, "group_by">): boolean {
  return group_by !== SERIES && !group_by.includes("device");
}

/** The share, out of `shares`, that computes a group. It does not depend on the rule, so rules can share windows. */
export function shareOf(labels: Tags, shares: number): number {
  return fnv1a32(keyName(labels)) % shares;
}
