/** Instants of readings, windows and the log are whole microseconds: exact in a number until the year 2112. */
export const US_PER_MS = 1_000;
export const US_PER_SECOND = 1_000_000;
export const US_PER_MINUTE = 60 * US_PER_SECOND;
export const US_PER_HOUR = 60 * US_PER_MINUTE;
export const US_PER_DAY = 24 * US_PER_HOUR;

/** The largest instant that a frame can hold, before or after 1970. */
export const INSTANT_US_MAX = 2 ** 52 - 1;

const UNITS: Readonly<Record<string, number>> = {
  us: 1,
  ms: US_PER_MS,
  s: US_PER_SECOND,
  m: US_PER_MINUTE,
  h: US_PER_HOUR,
  d: US_PER_DAY,
  w: 7 * US_PER_DAY,
};

const DURATION = /^(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d|w))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)/g;

/** Microseconds of a text like `90s`, `1h30m` or `1.5d`; undefined when it is not a duration. */
export function parseDurationUs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let totalUs = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) totalUs += Number(amount) * (UNITS[unit ?? ""] ?? 0);
  return Math.round(totalUs);
}

/** The shortest exact text of a duration: 5400 s is `1h30m`. */
export function formatDurationUs(durationUs: number): string {
  if (durationUs === 0) return "0s";
  let rest = durationUs;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms", "us"]) {
    const size = UNITS[unit] ?? 1;
    const amount = Math.floor(rest / size);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * size;
  }
  return text;
}

/** ISO 8601 in UTC, with as many decimals as the instant needs. */
export function formatInstantUs(atUs: number): string {
  const ms = Math.floor(atUs / US_PER_MS);
  const us = atUs - ms * US_PER_MS;
  const iso = new Date(ms).toISOString();
  return us === 0 ? iso : `${iso.slice(0, -1)}${String(us).padStart(3, "0")}Z`;
}
