import { localTime } from "./active.ts";
import type { Span, WindowFields } from "./model.ts";

const MINUTE_US = 60_000_000;
const DAY_US = 86_400_000_000;
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/** Zones are at most this many minutes from UTC. */
const MINUTES_FROM_UTC = 16 * 60;

/** The nominal length of a calendar's windows; undefined for other windows. */
export function calendarSize({ calendar, shifts }: WindowFields): string | undefined {
  if (shifts !== undefined || calendar === "day") return "1d";
  return calendar === undefined ? undefined : calendar === "week" ? "7d" : "31d";
}

/** The window of a calendar that holds an instant: from the last start at or before it to the next one. */
export function calendarSpan(window: WindowFields, atUs: number): Span {
  const around = window.calendar === "month" ? 33 : window.calendar === "week" ? 9 : 2;
  const startsUs: number[] = [];
  for (let days = -around; days <= around; days++) {
    const date = new Date((atUs + days * DAY_US) / 1000).toISOString().slice(0, 10);
    for (const time of timesOn(window, date)) startsUs.push(firstShown(window.zone ?? "UTC", date, time));
  }
  const startUs = Math.max(...startsUs.filter((each) => each <= atUs));
  return { startUs, endUs: Math.min(...startsUs.filter((each) => each > atUs)) };
}

/** The local times at which windows begin on a date. */
function timesOn(
  { calendar, shifts, offset = "00:00", starts = "mon" }: WindowFields,
  date: string,
): readonly string[] {
  if (shifts !== undefined) return shifts;
  const day = WEEKDAYS[new Date(`${date}T00:00:00Z`).getUTCDay()];
  const isStart = calendar === "day" || (calendar === "week" ? day === starts : date.endsWith("-01"));
  return isStart ? [offset] : [];
}

const shown = new Map<string, number>();

/** The first instant at which clocks show a date and time, or later ones. Clocks change only on whole minutes. */
function firstShown(zone: string, date: string, time: string): number {
  const name = `${zone} ${date} ${time}`;
  const known = shown.get(name);
  if (known !== undefined) return known;
  let atUs = Date.parse(`${date}T${time}:00Z`) * 1000 - MINUTES_FROM_UTC * MINUTE_US;
  while (textAt(zone, atUs) < `${date} ${time}`) atUs += MINUTE_US;
  shown.set(name, atUs);
  return atUs;
}

function textAt(zone: string, atUs: number): string {
  const { date, minute } = localTime(zone, atUs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}
