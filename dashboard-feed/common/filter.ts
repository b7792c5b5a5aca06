import type { Filter } from "../../contracts/feed/protocol.ts";
import { globMatches } from "../../domain/glob.ts";
import type { Tags } from "../../domain/reading.ts";

/** Asks an item for one of its labels; the empty text when it has none of that name. */
type LabelOf = (name: string) => string;

export interface CompiledFilter {
  /** Equal for filters that let the same items through. */
  readonly key: string;
  matches(labelOf: LabelOf): boolean;
  /** Whether who asks may see an item at all, whatever the filter says. */
  permits(labelOf: LabelOf): boolean;
  /** Whether there are items that who asks may not see. */
  readonly restricted: boolean;
}

interface Part {
  readonly name: string;
  readonly patterns: readonly string[];
}

/**
 * `*` stands for any text (also none), `?` for one character; all else for itself. `sites` are what the asker's token
 * allows, as patterns; without them all may be seen. An item without a site is then none of theirs.
 */
export function compileFilter(filter: Filter, sites?: readonly string[]): CompiledFilter {
  const wanted = Object.entries(filter).map(([name, value]) =>
    partOf(name, typeof value === "string" ? [value] : value),
  );
  const permitted = sites === undefined ? [] : [partOf("site", sites)].filter(isCondition);
  const parts = [...wanted.filter(isCondition), ...permitted].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    key: JSON.stringify(parts.map(({ name, patterns }) => [name, ...patterns])),
    restricted: permitted.length > 0,
    matches: (labelOf) => everyMatches(parts, labelOf),
    permits: (labelOf) => everyMatches(permitted, labelOf),
  };
}

function partOf(name: string, patterns: readonly string[]): Part {
  return { name, patterns: [...new Set(patterns)].sort() };
}

/** What lets everything through need not be asked. */
function isCondition({ patterns }: Part): boolean {
  return !patterns.some((pattern) => /^\*+$/.test(pattern));
}

function everyMatches(parts: readonly Part[], labelOf: LabelOf): boolean {
  for (const { name, patterns } of parts) {
    const text = labelOf(name);
    if (!patterns.some((pattern) => globMatches(pattern, text))) return false;
  }
  return true;
}

/** A label by name; a name like `constructor` finds nothing that is not there. */
export function tagOf(tags: Tags, name: string): string {
  return Object.hasOwn(tags, name) ? (tags[name] ?? "") : "";
}
