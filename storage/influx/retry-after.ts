const PAUSE_MS_MAX = 300_000;

/** The milliseconds that a Retry-After header asks for, in seconds or as an HTTP date. 0 without a valid one. */
export function pauseOf(header: string | readonly string[] | undefined, nowMs: number): number {
  const text = typeof header === "string" ? header.trim() : header?.[0]?.trim();
  if (text === undefined || text === "") return 0;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), PAUSE_MS_MAX) : 0;
}
