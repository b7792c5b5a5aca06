import { globMatches } from "../../../domain/glob.ts";

/**
 * How all screens read a search text: each word must be in the text, in any order and case. A word with `*` or `?` is
 * a glob, and must match a whole word.
 */
export function textSearch(find: string): (text: () => string) => boolean {
  const words = wordsOf(find);
  if (words.length === 0) return () => true;
  return (text) => {
    const lower = text().toLowerCase();
    return words.every((word) =>
      isGlob(word) ? wordsOf(lower).some((one) => globMatches(word, one)) : lower.includes(word),
    );
  };
}

function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
}

function isGlob(word: string): boolean {
  return word.includes("*") || word.includes("?");
}
