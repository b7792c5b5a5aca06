import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";

/** Whether a rule's groups hold several devices, and thus readings of several partitions. */
export function isOverDevices(spec: { readonly group_by: readonly string[] }): boolean {
  return !spec.group_by.includes("device");
}

/** The share, of `shares`, that computes a group: the same for all rules, so that they can share windows. */
export function shareOf(labels: Tags, shares: number): number {
  return fnv1a32(keyName(labels)) % shares;
}
