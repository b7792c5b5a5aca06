import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import { type TimeZone, timeZone } from "./time-zone.ts";

/** Calendar windows as people write them. The texts have been checked. */
export interface GridFields {
  readonly calendar?: "day" | "week" | "month" | undefined;
  readonly shifts?: readonly string[] | undefined;
  readonly zone?: string | undefined;
  readonly offset?: string | undefined;
  readonly starts?: Weekday | undefined;
}

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 3;
const WEEK_DAYS = 7;
/** No zone is further from UTC. */
const OFFSET_US_MAX = 2 * US_PER_DAY;
/** The most cached starts. Beyond it, the cache is emptied. */
const STARTS_MAX = 4_096;

/** The windows of a calendar: they follow one another without a gap (docs/windows.md, "Window kinds"). */
export class WindowGrid {
  /** The nominal length of a window. */
  readonly sizeUs: number;
  readonly #zone: TimeZone;
  readonly #scale: Scale;
  #starts = new Map<number, number>();
  /** The last answer. */
  #last: Span = { startUs: 0, endUs: 0 };

  constructor(fields: GridFields) {
    this.#zone = timeZone(fields.zone ?? "UTC");
    this.#scale = scaleOf(fields);
    this.sizeUs = this.#scale.sizeUs;
  }

  /** The window that holds an instant. */
  windowAt(atUs: number): Span {
    const last = this.#last;
    if (atUs >= last.startUs && atUs < last.endUs) return last;
    let place = this.#scale.placeOf(atUs + this.#zone.at(atUs).offsetUs);
    while (this.#startOf(place) > atUs) place--;
    while (this.#startOf(place + 1) <= atUs) place++;
    this.#last = { startUs: this.#startOf(place), endUs: this.#startOf(place + 1) };
    return this.#last;
  }

  /** The first instant at which the local clocks show the window's own date and time, or later ones. */
  #startOf(place: number): number {
    const known = this.#starts.get(place);
    if (known !== undefined) return known;
    const localUs = this.#scale.localUs(place);
    let startUs = localUs - OFFSET_US_MAX;
    for (;;) {
      const { untilUs, offsetUs } = this.#zone.at(startUs);
      startUs = Math.max(startUs, localUs - offsetUs);
      if (startUs < untilUs) break;
      startUs = untilUs;
    }
    if (this.#starts.size >= STARTS_MAX) this.#starts = new Map();
    this.#starts.set(place, startUs);
    return startUs;
  }
}

/** The windows by whole numbers, in order, in local time: microseconds since 1970 as clocks without a zone show them. */
interface Scale {
  readonly sizeUs: number;
  /** The window that holds a local time, or one near it. */
  placeOf(localUs: number): number;
  /** The local time at which a window begins. */
  localUs(place: number): number;
}

function scaleOf({ calendar, shifts, offset = "00:00", starts = "mon" }: GridFields): Scale {
  const offsetUs = timeOfDayUs(offset);
  if (shifts !== undefined) return shiftScale(shifts.map(timeOfDayUs).sort((a, b) => a - b));
  if (calendar === "month") return monthScale(offsetUs);
  const days = calendar === "week" ? WEEK_DAYS : 1;
  const sizeUs = days * US_PER_DAY;
  // 1970-01-05 was a Monday.
  const firstDay = calendar === "week" ? WEEK_DAYS - FIRST_WEEKDAY + WEEKDAYS.indexOf(starts) : 0;
  const originUs = firstDay * US_PER_DAY + offsetUs;
  return {
    sizeUs,
    placeOf: (localUs) => Math.floor((localUs - originUs) / sizeUs),
    localUs: (place) => originUs + place * sizeUs,
  };
}

function shiftScale(times: readonly number[]): Scale {
  const count = times.length;
  return {
    sizeUs: US_PER_DAY,
    placeOf: (localUs) => Math.floor(localUs / US_PER_DAY) * count,
    localUs(place) {
      const day = Math.floor(place / count);
      return day * US_PER_DAY + (times[place - day * count] as number);
    },
  };
}

const MONTHS = 12;
const MONTH_DAYS_MAX = 31;

function monthScale(offsetUs: number): Scale {
  return {
    sizeUs: MONTH_DAYS_MAX * US_PER_DAY,
    placeOf(localUs) {
      const date = new Date(Math.floor(localUs / 1_000));
      return date.getUTCFullYear() * MONTHS + date.getUTCMonth();
    },
    localUs: (place) => Date.UTC(0, place) * 1_000 + offsetUs,
  };
}

/** The microseconds since midnight of `06:30`. */
function timeOfDayUs(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return (60 * hours + minutes) * US_PER_MINUTE;
}
