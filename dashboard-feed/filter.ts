import type { Tags } from "../domain/reading.ts";
import type { Filter } from "./protocol.ts";

/** Asks an item for one of its labels; the empty text when it has none of that name. */
type LabelOf = (name: string) => string;

export interface CompiledFilter {
  /** Equal for filters that let the same items through. */
  readonly key: string;
  matches(labelOf: LabelOf): boolean;
}

/** `*` stands for any text (also none), `?` for one character; all else for itself. */
export function compileFilter(filter: Filter): CompiledFilter {
  // What lets everything through need not be asked.
  const parts = Object.entries(filter)
    .filter(([, pattern]) => !/^\*+$/.test(pattern))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, pattern]) => ({ name, pattern, glob: /[*?]/.test(pattern) }));
  return {
    key: JSON.stringify(parts.map(({ name, pattern }) => [name, pattern])),
    matches(labelOf) {
      for (const { name, pattern, glob } of parts) {
        const text = labelOf(name);
        if (glob ? !globMatches(pattern, text) : pattern !== text) return false;
      }
      return true;
    },
  };
}

/**
 * Takes time in pattern times text at worst, where a regular expression of many stars takes a power of it: patterns
 * come from outside.
 */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === "*") {
      star = p++;
      resumeAt = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      // The last star takes one character more.
      p = star + 1;
      t = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** A label by name; a name like `constructor` finds nothing that is not there. */
export function tagOf(tags: Tags, name: string): string {
  return Object.hasOwn(tags, name) ? (tags[name] ?? "") : "";
}
