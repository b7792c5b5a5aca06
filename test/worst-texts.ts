const MANY = 250_000;

/** Texts that take minutes with a pattern that backtracks. A test feeds all of them to each parser. */
export const WORST_TEXTS: readonly (readonly [name: string, text: string])[] = [
  ["digits and a letter", `${"1".repeat(MANY)}x`],
  ["a sign, digits and a letter", `-${"1".repeat(MANY)}x`],
  ["digits around a dot, and a letter", `${"1".repeat(MANY)}.${"1".repeat(MANY)}x`],
  ["an exponent of digits, and a letter", `1e${"1".repeat(MANY)}x`],
  ["dots", ".".repeat(MANY)],
  ["digits and dots in turn", "1.".repeat(MANY / 2)],
  ["signs", "+-".repeat(MANY / 2)],
  ["spaces in the middle", `a${" ".repeat(MANY)}b`],
  ["a date, spaces and a letter", `2026-01-01T00:00${" ".repeat(MANY)}x`],
  ["one letter", "a".repeat(MANY)],
  ["quotes", '"'.repeat(MANY)],
  ["backslashes", "\\".repeat(MANY)],
  ["brackets", "[".repeat(MANY)],
  ["slashes", "/".repeat(MANY)],
  ["hours", "1h".repeat(MANY / 2)],
];

/** A linear parser needs milliseconds. */
export const WORST_MS_MAX = 1_000;

/** How much processor time a call takes, whatever its outcome. Other processes do not count. */
export function msOf(call: () => unknown): number {
  const before = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
