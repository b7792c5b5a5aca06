import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";

/** Whether a rule's groups hold several devices, and so readings of several partitions. */
export function isOverDevices(spec: { readonly group_by: readonly string[] }): boolean {
  return !spec.group_by.includes("device");
}

/** The share, of so many, that a group is computed in, for all rules: those that share windows find each other there. */
export function shareOf(labels: Tags, shares: number): number {
  return fnv1a32(keyName(labels)) % shares;
}
