/** Exact text, a pattern with `*` and `?`, or a list of them, any of which may match. */
export type Pattern = string | readonly string[];

export function matches(pattern: Pattern, text: string): boolean {
  if (typeof pattern !== "string") return pattern.some((one) => matches(one, text));
  if (!/[*?]/.test(pattern)) return pattern === text;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su").test(text);
}
