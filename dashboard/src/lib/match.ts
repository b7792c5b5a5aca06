import { globMatches } from "../../../domain/glob.ts";

/** A glob with `*` and `?`, or a list of globs of which one must match. */
export type Pattern = string | readonly string[];

export function matches(pattern: Pattern, text: string): boolean {
  return typeof pattern === "string" ? globMatches(pattern, text) : pattern.some((one) => globMatches(one, text));
}
