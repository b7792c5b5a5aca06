import { at } from "../../domain/at.ts";
import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import type { ActiveSpec } from "./active-spec.ts";
import { parseDays, parseHours } from "./active-texts.ts";
import { type TimeZone, timeZone } from "./time-zone.ts";

/** Active time is computed in chunks of this length. */
const CHUNK_US = 32 * US_PER_DAY;
/** The maximum number of cached chunks. Beyond it, the cache is emptied. */
const CHUNKS_MAX = 512;
/** An instant more than ten years ahead is treated as never. */
const AHEAD_US_MAX = 3_653 * US_PER_DAY;
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 3;

/** Stretches of active time: their alternating starts and ends, and the active time before each start. */
interface Chunk {
  readonly bounds: Float64Array;
  readonly before: Float64Array;
  readonly activeUs: number;
}

interface Span {
  readonly fromUs: number;
  readonly untilUs: number;
}

/** When a rule is active. Each closing window asks, so active time is computed in chunks and cached. */
export class Calendar {
  /** Equal calendars have equal identities. */
  readonly identity: string;
  readonly #patterns: readonly Pattern[];
  #chunks = new Map<number, Chunk>();
  /** The last answer of `isActive`, with the span for which it holds. */
  #last = { fromUs: 0, untilUs: 0, isActive: false };

  constructor(spec: ActiveSpec) {
    this.identity = JSON.stringify(spec);
    this.#patterns = [spec].flat().map(patternOf);
  }

  isActive(atUs: number): boolean {
    const last = this.#last;
    if (atUs >= last.fromUs && atUs < last.untilUs) return last.isActive;
    const number = Math.floor(atUs / CHUNK_US);
    const { bounds } = this.#chunk(number);
    const place = placeOf(bounds, atUs);
    const isActive = place % 2 === 1;
    this.#last = {
      fromUs: place === 0 ? number * CHUNK_US : at(bounds, place - 1),
      untilUs: place === bounds.length ? (number + 1) * CHUNK_US : at(bounds, place),
      isActive,
    };
    return isActive;
  }

  /** The active time in a span. */
  activeUs(fromUs: number, untilUs: number): number {
    if (!(fromUs < untilUs)) return 0;
    const first = Math.floor(fromUs / CHUNK_US);
    const last = Math.floor(untilUs / CHUNK_US);
    let totalUs = this.#passedUs(last, untilUs) - this.#passedUs(first, fromUs);
    for (let number = first; number < last; number++) totalUs += this.#chunk(number).activeUs;
    return totalUs;
  }

  /** The first instant at which this much active time has passed since `fromUs`; Infinity if it is too far ahead. */
  after(fromUs: number, durationUs: number): number {
    if (durationUs <= 0 || !Number.isFinite(fromUs)) return fromUs;
    const first = Math.floor(fromUs / CHUNK_US);
    let leftUs = durationUs + this.#passedUs(first, fromUs);
    for (let number = first; number * CHUNK_US <= fromUs + AHEAD_US_MAX; number++) {
      const { bounds, before, activeUs } = this.#chunk(number);
      if (leftUs <= activeUs) {
        // Find the last stretch that has less active time before it.
        let stretch = before.length - 1;
        while (at(before, stretch) >= leftUs) stretch--;
        const dueUs = at(bounds, 2 * stretch) + leftUs - at(before, stretch);
        return dueUs <= fromUs + AHEAD_US_MAX ? dueUs : Number.POSITIVE_INFINITY;
      }
      leftUs -= activeUs;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** The stretches of active time in a span, in order. Adjacent stretches are merged. */
  *stretches(fromUs: number, untilUs: number): Iterable<Span> {
    let open: Span | undefined;
    for (let number = Math.floor(fromUs / CHUNK_US); number * CHUNK_US < untilUs; number++) {
      const { bounds } = this.#chunk(number);
      for (let i = 0; i < bounds.length; i += 2) {
        const span = {
          fromUs: Math.max(fromUs, at(bounds, i)),
          untilUs: Math.min(untilUs, at(bounds, i + 1)),
        };
        if (span.fromUs >= span.untilUs) continue;
        if (open?.untilUs === span.fromUs) open = { fromUs: open.fromUs, untilUs: span.untilUs };
        else {
          if (open) yield open;
          open = span;
        }
      }
    }
    if (open) yield open;
  }

  /** The active time in a chunk up to an instant. */
  #passedUs(number: number, atUs: number): number {
    const { bounds, before, activeUs } = this.#chunk(number);
    const place = placeOf(bounds, atUs);
    if (place % 2 === 1) return at(before, (place - 1) / 2) + atUs - at(bounds, place - 1);
    return before[place / 2] ?? activeUs;
  }

  #chunk(number: number): Chunk {
    const known = this.#chunks.get(number);
    if (known !== undefined) return known;
    if (this.#chunks.size >= CHUNKS_MAX) this.#chunks = new Map();
    const chunk = chunkOf(this.#patterns, { fromUs: number * CHUNK_US, untilUs: (number + 1) * CHUNK_US });
    this.#chunks.set(number, chunk);
    return chunk;
  }
}

interface Pattern {
  readonly days: ReadonlySet<number>;
  /** In microseconds from the start of the local day. Hours past midnight end before they begin. */
  readonly hours: readonly Span[];
  readonly zone: TimeZone;
  readonly except: ReadonlySet<string>;
}

function patternOf({ days, hours, zone, except }: Exclude<ActiveSpec, readonly unknown[]>): Pattern {
  const spans = (hours ?? ["00:00-24:00"]).flatMap((text) => parseHours(text) ?? []);
  return {
    days: new Set((days ?? ["mon-sun"]).flatMap((text) => parseDays(text) ?? [])),
    hours: spans.map(({ from, until }) => ({ fromUs: from * US_PER_MINUTE, untilUs: until * US_PER_MINUTE })),
    zone: timeZone(zone),
    except: new Set(except ?? []),
  };
}

function chunkOf(patterns: readonly Pattern[], chunk: Span): Chunk {
  const spans = patterns.flatMap((pattern) => [...spansOf(pattern, chunk)]).sort((a, b) => a.fromUs - b.fromUs);
  const bounds: number[] = [];
  for (const { fromUs, untilUs } of spans) {
    const end = bounds.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (fromUs > end) bounds.push(fromUs, untilUs);
    else if (untilUs > end) bounds[bounds.length - 1] = untilUs;
  }
  const before: number[] = [];
  let activeUs = 0;
  for (let i = 0; i < bounds.length; i += 2) {
    before.push(activeUs);
    activeUs += at(bounds, i + 1) - at(bounds, i);
  }
  return { bounds: Float64Array.from(bounds), before: Float64Array.from(before), activeUs };
}

/** Iterates over stretches with a constant offset from UTC, within which local time is a simple sum. */
function* spansOf(pattern: Pattern, chunk: Span): Iterable<Span> {
  for (let atUs = chunk.fromUs; atUs < chunk.untilUs; ) {
    const { untilUs, offsetUs } = pattern.zone.at(atUs);
    const endUs = Math.min(untilUs, chunk.untilUs);
    const lastDay = Math.floor((endUs - 1 + offsetUs) / US_PER_DAY);
    for (let day = Math.floor((atUs + offsetUs) / US_PER_DAY); day <= lastDay; day++) {
      const midnightUs = day * US_PER_DAY - offsetUs;
      for (const own of spansOfDay(pattern, day)) {
        const span = {
          fromUs: Math.max(atUs, midnightUs + own.fromUs),
          untilUs: Math.min(endUs, midnightUs + own.untilUs),
        };
        if (span.fromUs < span.untilUs) yield span;
      }
    }
    atUs = endUs;
  }
}

/** The active hours of a local day, in local time. Includes the rest of a night that began the day before. */
function* spansOfDay(pattern: Pattern, day: number): Iterable<Span> {
  const today = isWanted(pattern, day);
  const yesterday = isWanted(pattern, day - 1);
  for (const { fromUs, untilUs } of pattern.hours) {
    const isPastMidnight = untilUs <= fromUs;
    if (today) yield { fromUs, untilUs: isPastMidnight ? US_PER_DAY : untilUs };
    if (yesterday && isPastMidnight) yield { fromUs: 0, untilUs };
  }
}

function isWanted({ days, except }: Pattern, day: number): boolean {
  if (!days.has((((day + FIRST_WEEKDAY) % 7) + 7) % 7)) return false;
  if (except.size === 0) return true;
  const date = new Date(day * (US_PER_DAY / 1_000)).toISOString().slice(0, 10);
  return !except.has(date) && !except.has(date.slice(5));
}

/** The number of bounds at or before an instant. */
function placeOf(bounds: Float64Array, atUs: number): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(bounds, middle) <= atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
