import { closest } from "./closest.ts";

const HIDDEN = "***";

/** The keys that hold secrets: the last steps of their paths. */
export function secretKeys(paths: readonly string[]): ReadonlySet<string> {
  return new Set(paths.map((path) => path.split(".").findLast((step) => step !== "*") ?? path));
}

/** A line of a file, masked after a secret's key. A misspelt key counts: its value is just as secret. */
export function maskedLine(text: string, keys: ReadonlySet<string>): string {
  if (keys.size === 0) return text;
  for (const { 0: head, 1: key = "", index } of text.matchAll(/["']?([\w-]+)["']?\s*:\s*(?=\S)/g)) {
    if (keys.has(key) || closest(key, [...keys]) !== undefined) return `${text.slice(0, index + head.length)}${HIDDEN}`;
  }
  return text;
}
