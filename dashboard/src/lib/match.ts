import { globMatches } from "../../../domain/glob.ts";

/** Exact text, a pattern with `*` and `?`, or a list of them, any of which may match. */
export type Pattern = string | readonly string[];

export function matches(pattern: Pattern, text: string): boolean {
  return typeof pattern === "string" ? globMatches(pattern, text) : pattern.some((one) => globMatches(one, text));
}
