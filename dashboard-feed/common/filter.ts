import type { Filter } from "../../contracts/feed/protocol.ts";
import { globMatches } from "../../domain/glob.ts";
import type { Tags } from "../../domain/reading.ts";

/** An item's label by name; the empty text when it has no such label. */
type LabelOf = (name: string) => string;

export interface CompiledFilter {
  /** Equal for filters that match the same items. */
  readonly key: string;
  matches(labelOf: LabelOf): boolean;
  /** Whether the token shows an item, regardless of the filter. */
  permits(labelOf: LabelOf): boolean;
  /** Whether the token hides some items. */
  readonly restricted: boolean;
}

interface Part {
  readonly name: string;
  readonly patterns: readonly string[];
}

/**
 * `*` matches any text (also an empty one), `?` one character, anything else itself. `sites` are the patterns of the
 * sites that the token shows. Without them, the token shows everything; with them, it hides items without a site.
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

/** False for a part that matches everything, which need not be evaluated. */
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
