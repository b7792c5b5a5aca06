import type { ReadingValue } from "../../../domain/reading.ts";

const MINUTE_US = 60_000_000;
const HOUR_US = 60 * MINUTE_US;
const DAY_US = 24 * HOUR_US;

/** The zone in which times are shown: this browser's, or UTC. */
export type Zone = "local" | "utc";

export const NO_VALUE = "–";

/** At most four significant digits, and never an exponent between 0.001 and a billion. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return NO_VALUE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e9)) return value.toExponential(2).replace("e+", "e");
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return trimZeros(fixed(value, decimals));
}

export function formatValue(value: ReadingValue | undefined): string {
  if (value === undefined) return NO_VALUE;
  if (typeof value === "number") return formatNumber(value);
  return String(value);
}

/** `0`, `0.4`, `37`, `1,024`, `12.5k`, `1.2M`. */
export function formatRate(perSecond: number | undefined): string {
  if (perSecond === undefined || !Number.isFinite(perSecond)) return NO_VALUE;
  if (perSecond === 0) return "0";
  if (perSecond < 0.05) return "<0.1";
  if (perSecond < 9.95) return trimZeros(fixed(perSecond, 1));
  return formatCount(perSecond);
}

export function formatCount(count: number | undefined): string {
  if (count === undefined || !Number.isFinite(count)) return NO_VALUE;
  if (count < 9_999.5) return fixed(count, 0);
  if (count < 999_500) return `${fixed(count / 1000, count < 99_950 ? 1 : 0)}k`;
  return `${fixed(count / 1_000_000, count < 99_950_000 ? 1 : 0)}M`;
}

/** Two units at most: `45 s`, `3 min`, `2 h 5 min`, `4 d 3 h`. */
export function formatAge(ageUs: number): string {
  if (!Number.isFinite(ageUs) || ageUs < 0) return "0 s";
  if (ageUs < MINUTE_US) return `${Math.floor(ageUs / 1_000_000)} s`;
  if (ageUs < HOUR_US) return `${Math.floor(ageUs / MINUTE_US)} min`;
  if (ageUs < DAY_US) return twoUnits(ageUs, [HOUR_US, "h"], [MINUTE_US, "min"]);
  return twoUnits(ageUs, [DAY_US, "d"], [HOUR_US, "h"]);
}

function twoUnits(ageUs: number, large: [number, string], small: [number, string]): string {
  const whole = Math.floor(ageUs / large[0]);
  const rest = Math.floor((ageUs - whole * large[0]) / small[0]);
  return rest === 0 ? `${whole} ${large[1]}` : `${whole} ${large[1]} ${rest} ${small[1]}`;
}

/** `14:03:12` */
export function formatTime(atUs: number, zone: Zone): string {
  return formatWith(atUs, zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** `14:03` */
export function formatClock(atUs: number, zone: Zone): string {
  return formatWith(atUs, zone, { hour: "2-digit", minute: "2-digit" });
}

/** `14 Mar 2013` */
export function formatDay(atUs: number, zone: Zone): string {
  return formatWith(atUs, zone, { day: "numeric", month: "short", year: "numeric" });
}

/** `14 Mar 2013, 14:03` */
export function formatInstant(atUs: number, zone: Zone): string {
  return formatWith(atUs, zone, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** `14:03` on the reference's day, otherwise `14 Mar, 14:03`, with the year if it differs. */
export function formatSince(atUs: number, referenceUs: number, zone: Zone): string {
  if (formatDay(atUs, zone) === formatDay(referenceUs, zone)) return formatClock(atUs, zone);
  const year = formatWith(atUs, zone, { year: "numeric" }) !== formatWith(referenceUs, zone, { year: "numeric" });
  return formatWith(atUs, zone, {
    day: "numeric",
    month: "short",
    ...(year ? { year: "numeric" as const } : {}),
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** `11 Mar 2014, 21:00 – 12 Mar, 00:00`, with seconds if one end has them. */
export function formatSpan(fromUs: number, toUs: number, zone: Zone): string {
  if (fromUs % MINUTE_US === 0 && toUs % MINUTE_US === 0) {
    return `${formatInstant(fromUs, zone)} – ${formatSince(toUs, fromUs, zone)}`;
  }
  const sameDay = formatDay(fromUs, zone) === formatDay(toUs, zone);
  const end = sameDay ? formatTime(toUs, zone) : `${formatDay(toUs, zone)}, ${formatTime(toUs, zone)}`;
  return `${formatDay(fromUs, zone)}, ${formatTime(fromUs, zone)} – ${end}`;
}

/** `UTC`, or the browser's zone by name and offset: `Asia/Shanghai (UTC+8)`. */
export function zoneName(zone: Zone, atUs: number): string {
  if (zone === "utc") return "UTC";
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const offset = -new Date(atUs / 1000).getTimezoneOffset();
  if (name === "UTC" || (offset === 0 && name === "Etc/UTC")) return "UTC";
  const hours = Math.floor(Math.abs(offset) / 60);
  const minutes = Math.abs(offset) % 60;
  const text = `${offset < 0 ? "−" : "+"}${hours}${minutes === 0 ? "" : `:${String(minutes).padStart(2, "0")}`}`;
  return `${name.replaceAll("_", " ")} (UTC${text})`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatWith(atUs: number, zone: Zone, options: Intl.DateTimeFormatOptions): string {
  if (!Number.isFinite(atUs)) return NO_VALUE;
  const key = zone + Object.keys(options).join();
  let format = formats.get(key);
  if (format === undefined) {
    // One locale everywhere: the page is in English, and a date must not have two meanings.
    format = new Intl.DateTimeFormat("en-GB", {
      ...options,
      hourCycle: "h23",
      ...(zone === "utc" ? { timeZone: "UTC" } : {}),
    });
    formats.set(key, format);
  }
  return format.format(atUs / 1000);
}

const numberFormats = [0, 1, 2, 3].map(
  (decimals) => new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
);

function fixed(value: number, decimals: number): string {
  const text = numberFormats[decimals]?.format(value) ?? String(value);
  return text.replace(/^-(?=[0.,]*$)/, "").replace("-", "−");
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
