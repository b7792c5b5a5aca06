import type { Series } from "../../domain/reading.ts";
import type { Grouping } from "./grouping.ts";

/** Several series of one metric of one device in the same group, and the tags in which they differ. */
export interface Blend {
  readonly device: string;
  readonly metric: string;
  readonly tags: readonly string[];
}

/** The blend of two series of one group; undefined if they do not differ in a tag, or measure different things. */
export function blendOf(a: Series, b: Series): Blend | undefined {
  if (a.device !== b.device || a.metric !== b.metric) return undefined;
  const names = [...new Set([...Object.keys(a.tags), ...Object.keys(b.tags)])].sort();
  const tags = names.filter((name) => a.tags[name] !== b.tags[name]);
  return tags.length === 0 ? undefined : { device: a.device, metric: a.metric, tags };
}

/**
 * Whether groups can blend series of one device without anyone having meant to: they list labels of a single device.
 * Groups over several devices blend on purpose.
 */
export function mayBlend(grouping: Grouping): boolean {
  return typeof grouping !== "string" && grouping.includes("device");
}
