/**
 * Whether a text matches a glob. `*` and `?` mean the same everywhere in Weir: in rules, sources, routes, silences,
 * filters and on the page. `*` matches any text, including none; `?` matches one character (one UTF-16 unit);
 * everything else matches itself, with case. There is no escape.
 *
 * Patterns come from outside, so the time is bounded by pattern length times text length: only the last star is ever
 * retried. A regular expression of many stars can take exponential time.
 */
export function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      resumeAt = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      // The last star takes one more character.
      p = star + 1;
      t = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
