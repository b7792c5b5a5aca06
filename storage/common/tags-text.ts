import type { Tags } from "../../domain/reading.ts";

/** JSON with sorted names, so that equal tags give equal texts. */
export function textOfTags(tags: Tags): string {
  return JSON.stringify(Object.fromEntries(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1))));
}
