import type { Filter } from "../../contracts/feed/protocol.ts";
import { globMatches } from "../../domain/glob.ts";
import type { Tags } from "../../domain/reading.ts";

/** The label of an item by name; the empty text when it has none of that name. */
type LabelOf = (name: string) => string;

export interface CompiledFilter {
  /** Equal for filters that match the same items. */
  readonly key: string;
  matches(labelOf: LabelOf): boolean;
  /** Whether the token shows an item at all, whatever the filter says. */
  permits(labelOf: LabelOf): boolean;
  /** Whether there are items that the token does not show. */
  readonly restricted: boolean;
}

interface Part {
  readonly name: string;
  readonly patterns: readonly string[];
}

/**
 * `*` matches any text (also none), `?` one character, everything else itself. `sites` are the patterns that the token
 * shows; without them it shows everything. With them, it does not show items without a site.
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

/** A part that matches everything need not be evaluated. */
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

/** A label by name. A name like `constructor` finds nothing unless it is a label. */
export function tagOf(tags: Tags, name: string): string {
  return Object.hasOwn(tags, name) ? (tags[name] ?? "") : "";
}
