import { Temporal } from "temporal-polyfill";
import { INSTANT_US_MAX, US_PER_MS } from "../../domain/time.ts";
import { closest } from "../../platform/files/closest.ts";

/** A stretch of time with a constant offset from UTC. */
export interface Offset {
  readonly fromUs: number;
  readonly untilUs: number;
  /** Add it to an instant to get the local time. */
  readonly offsetUs: number;
}

/** The maximum number of cached stretches of a zone. Beyond it, the cache is emptied. */
const STRETCHES_MAX = 512;

/** A time zone. Its offset from UTC is looked up once for each stretch between two clock changes. */
export class TimeZone {
  readonly name: string;
  #last: Offset = { fromUs: 0, untilUs: 0, offsetUs: 0 };
  #known: Offset[] = [];

  constructor(name: string) {
    this.name = name;
  }

  at(atUs: number): Offset {
    const last = this.#last;
    if (atUs >= last.fromUs && atUs < last.untilUs) return last;
    let found = this.#known.find(({ fromUs, untilUs }) => atUs >= fromUs && atUs < untilUs);
    if (found === undefined) {
      found = lookUp(this.name, atUs);
      if (this.#known.length >= STRETCHES_MAX) this.#known = [];
      this.#known.push(found);
    }
    this.#last = found;
    return found;
  }
}

const zones = new Map<string, TimeZone>();

/** The zone with a name that `isZone` accepts. Each name has one shared object. */
export function timeZone(name: string): TimeZone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = new TimeZone(name);
  zones.set(name, zone);
  return zone;
}

/** Local date and time of an instant, to the second. */
export function localTimeOf(atUs: number, zone: string): { readonly date: string; readonly time: string } {
  const localMs = Math.floor((atUs + timeZone(zone).at(atUs).offsetUs) / US_PER_MS);
  const [date = "", time = ""] = new Date(localMs).toISOString().split("T");
  return { date, time: time.slice(0, 8) };
}

/** Whether a name is UTC or in the IANA list. */
export function isZone(name: string): boolean {
  return name === "UTC" || isIana(name);
}

/** The zone that a city or a misspelt name stands for. */
export function suggestZone(name: string): string | undefined {
  const known = Intl.supportedValuesOf("timeZone");
  const wanted = plain(name);
  const city = known.find((zone) => plain(zone) === wanted || plain(zone.split("/").at(-1) ?? "") === wanted);
  return city ?? closest(name, known);
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, "");
}

/** Offsets like +02:00 are not zones, because they have no daylight saving time. */
function isIana(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

function lookUp(name: string, atUs: number): Offset {
  const zoned = Temporal.Instant.fromEpochMilliseconds(Math.floor(atUs / US_PER_MS)).toZonedDateTimeISO(name);
  // Clocks change on whole seconds, so the millisecond of an instant has its offset.
  const until = zoned.getTimeZoneTransition("next");
  // One nanosecond later: a change at exactly this instant starts its own stretch.
  const from = zoned.add({ nanoseconds: 1 }).getTimeZoneTransition("previous");
  return {
    fromUs: from === null ? -INSTANT_US_MAX : from.epochMilliseconds * US_PER_MS,
    untilUs: until === null ? Number.POSITIVE_INFINITY : until.epochMilliseconds * US_PER_MS,
    offsetUs: zoned.offsetNanoseconds / 1_000,
  };
}
