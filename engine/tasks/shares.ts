import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";

/** Whether a group of the rule can hold several devices, and so needs readings from several partitions. */
export function isOverDevices(spec: { readonly group_by: readonly string[] }): boolean {
  return !spec.group_by.includes("device");
}

/** The share, out of `shares`, that computes a group. It does not depend on the rule, so rules can share windows. */
export function shareOf(labels: Tags, shares: number): number {
  return fnv1a32(keyName(labels)) % shares;
}
