import type { Filter } from "../../../contracts/feed/protocol.ts";
import type { Device } from "../../../domain/reading.ts";

/** The most tags in a filter: the feed accepts sixteen parts. */
const TAGS_MAX = 15;

/** Matches the items of a device, and perhaps others: the page itself compares all tags. */
export function filterOf({ device, tags }: Device): Filter {
  return { device, ...Object.fromEntries(Object.entries(tags).slice(0, TAGS_MAX)) };
}

/** Also matches items about several devices of the name: they lack some of the tags. */
export function groupFilterOf({ device, tags }: Device): Filter {
  const some = Object.entries(tags).slice(0, TAGS_MAX);
  return { device, ...Object.fromEntries(some.map(([name, value]) => [name, [value, ""]])) };
}
