import type { ActivePart, OracleRule } from "./model.ts";

const MINUTE_US = 60_000_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** The local time in a zone. */
interface LocalTime {
  /** `YYYY-MM-DD`. */
  readonly date: string;
  /** Minutes since midnight on the local clock. */
  readonly minute: number;
}

/** Whether a rule is active at an instant. */
export function isActive(active: OracleRule["active"], atUs: number): boolean {
  if (active === undefined) return true;
  const parts: readonly ActivePart[] = "length" in active ? active : [active];
  return parts.some((part) => isInPart(part, atUs));
}

/** How much of `[fromUs, toUs)` is active time. Clocks never change within a minute. */
export function activeUsIn(active: OracleRule["active"], fromUs: number, toUs: number): number {
  let sumUs = 0;
  for (let atUs = fromUs; atUs < toUs; atUs = endOfMinute(atUs)) {
    if (isActive(active, atUs)) sumUs += Math.min(toUs, endOfMinute(atUs)) - atUs;
  }
  return sumUs;
}

/** The first instant by which this much time since `fromUs` was active; Infinity if it is after `untilUs`. */
export function afterActiveUs(active: OracleRule["active"], fromUs: number, us: number, untilUs: number): number {
  let missingUs = us;
  for (let atUs = fromUs; atUs <= untilUs; atUs = endOfMinute(atUs)) {
    if (missingUs <= 0) return atUs;
    if (!isActive(active, atUs)) continue;
    const endUs = endOfMinute(atUs);
    if (atUs + missingUs <= endUs) return atUs + missingUs;
    missingUs -= endUs - atUs;
  }
  return Number.POSITIVE_INFINITY;
}

function endOfMinute(atUs: number): number {
  return (Math.floor(atUs / MINUTE_US) + 1) * MINUTE_US;
}

function isInPart({ days, hours, zone = "UTC", except }: ActivePart, atUs: number): boolean {
  const { date, minute } = localTime(zone, atUs);
  const isDayIn = (day: string) => isOneOf(days, day) && !(except ?? []).some((each) => day.endsWith(each));
  if (hours === undefined) return isDayIn(date);
  return hours.some((range) => {
    const [from = Number.NaN, to = Number.NaN] = range.split("-").map(minutesOf);
    if (from < to) return minute >= from && minute < to && isDayIn(date);
    return (minute >= from && isDayIn(date)) || (minute < to && isDayIn(dayBefore(date)));
  });
}

function minutesOf(text: string): number {
  const [hours = Number.NaN, minutes = Number.NaN] = text.split(":").map(Number);
  return 60 * hours + minutes;
}

function isOneOf(days: readonly string[] | undefined, date: string): boolean {
  if (days === undefined) return true;
  const day = new Date(`${date}T00:00:00Z`).getUTCDay();
  return days.some((text) => {
    const [first = "", last = first] = text.split("-");
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
    return from <= to ? day >= from && day <= to : day >= from || day <= to;
  });
}

function dayBefore(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
}

const formats = new Map<string, Intl.DateTimeFormat>();
const shown = new Map<string, LocalTime>();
const SHOWN_MAX = 20_000;

/** Uses the time zone data of this Node.js. Cached, because the same minutes appear repeatedly. */
export function localTime(zone: string, atUs: number): LocalTime {
  const minute = Math.floor(atUs / MINUTE_US);
  const name = `${zone} ${minute}`;
  const before = shown.get(name);
  if (before !== undefined) return before;
  const fields = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" } as const;
  const format = formats.get(zone) ?? new Intl.DateTimeFormat("en", { timeZone: zone, hourCycle: "h23", ...fields });
  formats.set(zone, format);
  const text = Object.fromEntries(format.formatToParts(minute * 60_000).map(({ type, value }) => [type, value]));
  const { year, month, day, hour, minute: past } = text;
  const time = { date: `${year}-${month}-${day}`, minute: 60 * Number(hour) + Number(past) };
  if (shown.size >= SHOWN_MAX) shown.clear();
  shown.set(name, time);
  return time;
}
