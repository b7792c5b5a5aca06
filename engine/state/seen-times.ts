import { grown } from "../../domain/grown.ts";

/** The result of adding an observation time. */
export const NEW = 0;
export const DUPLICATE = 1;
/** Older than the remembered times, so it may be a duplicate. */
export const TOO_OLD = 2;
export type Seen = typeof NEW | typeof DUPLICATE | typeof TOO_OLD;

const START = 0;
const STEP = 1;
const COUNT = 2;
const STRIDE = 3;
const RUNS_AT_FIRST = 2;
/** A time in the middle moves at most this many runs. */
const CHUNK_RUNS_MAX = 256;

/** Runs `[from, to)` of the array, in order. Chunks are never empty. */
interface Chunk {
  runs: Float64Array<ArrayBuffer>;
  from: number;
  to: number;
}

interface Place {
  readonly chunk: number;
  readonly run: number;
}

/**
 * ADR 5. The exact observation times of one series. A regular sensor takes a few numbers: times are kept as runs of
 * (start, step, count), sorted and disjoint. Runs older than the horizon are dropped, because no window accepts such
 * a time. Runs beyond `runsMax` are dropped as well, although windows may still accept their times. So times up to
 * the last dropped one are `TOO_OLD`. Runs are in chunks, so that a sensor with jitter can have very many.
 */
export class SeenTimes {
  readonly #chunks: Chunk[] = [];
  #size = 0;
  #newestUs = Number.NEGATIVE_INFINITY;
  #forgottenUs = Number.NEGATIVE_INFINITY;
  readonly #runsMax: number;

  constructor(runsMax: number) {
    this.#runsMax = runsMax;
  }

  get newestUs(): number {
    return this.#newestUs;
  }

  /** Adds a time. `horizonUs`: how far back from the newest time duplicates must be recognized. */
  add(atUs: number, horizonUs: number): Seen {
    if (atUs > this.#newestUs) {
      this.#append(atUs, horizonUs);
      return NEW;
    }
    if (atUs === this.#newestUs) return DUPLICATE;
    if (atUs <= this.#forgottenUs) return TOO_OLD;
    return this.#insert(atUs);
  }

  /** The result of adding a time, without adding it. */
  find(atUs: number): Seen {
    if (atUs > this.#newestUs) return NEW;
    if (atUs <= this.#forgottenUs) return TOO_OLD;
    const place = this.#runBefore(atUs);
    return place !== undefined && this.#holds(place, atUs) ? DUPLICATE : NEW;
  }

  snapshot(): Float64Array {
    const flat = new Float64Array(1 + this.#size * STRIDE);
    flat[0] = this.#forgottenUs;
    let at = 1;
    for (const { runs, from, to } of this.#chunks) {
      flat.set(runs.subarray(from * STRIDE, to * STRIDE), at);
      at += (to - from) * STRIDE;
    }
    return flat;
  }

  /** `flat`: from `snapshot`. */
  static restore(flat: Float64Array, runsMax: number): SeenTimes {
    const seen = new SeenTimes(runsMax);
    seen.#forgottenUs = flat[0] ?? Number.NEGATIVE_INFINITY;
    for (let at = 1; at < flat.length; at += CHUNK_RUNS_MAX * STRIDE) {
      const runs = flat.slice(at, at + CHUNK_RUNS_MAX * STRIDE);
      seen.#chunks.push({ runs, from: 0, to: runs.length / STRIDE });
      seen.#size += runs.length / STRIDE;
    }
    const last = seen.#chunks.at(-1);
    if (last !== undefined) seen.#newestUs = lastOf(last, last.to - 1);
    return seen;
  }

  #append(atUs: number, horizonUs: number): void {
    this.#newestUs = atUs;
    const last = this.#chunks.at(-1);
    if (last !== undefined) {
      const { runs } = last;
      const o = (last.to - 1) * STRIDE;
      const start = runs[o + START] as number;
      const count = runs[o + COUNT] as number;
      if (count === 1) {
        runs[o + STEP] = atUs - start;
        runs[o + COUNT] = 2;
        return;
      }
      if (atUs === start + (runs[o + STEP] as number) * count) {
        runs[o + COUNT] = count + 1;
        return;
      }
      this.#forget(atUs - horizonUs);
    }
    this.#put({ chunk: this.#chunks.length - 1, run: this.#chunks.at(-1)?.to ?? 0 }, atUs, 0, 1);
  }

  /** Drops whole runs before the horizon, and then the oldest if there are still too many. */
  #forget(beforeUs: number): void {
    let gone = 0;
    for (let first = this.#chunks[0]; first !== undefined; first = this.#chunks[gone]) {
      while (first.from < first.to) {
        const lastUs = lastOf(first, first.from);
        if (lastUs >= beforeUs && this.#size < this.#runsMax) break;
        if (lastUs >= beforeUs) this.#forgottenUs = lastUs;
        first.from++;
        this.#size--;
      }
      if (first.from < first.to) break;
      gone++;
    }
    if (gone > 0) this.#chunks.splice(0, gone);
  }

  /** Adds a time before the newest: it is in a run, in a gap of a run, or between two runs. */
  #insert(atUs: number): Seen {
    const place = this.#runBefore(atUs);
    if (place === undefined) {
      this.#put({ chunk: 0, run: this.#chunks[0]?.from ?? 0 }, atUs, 0, 1);
      return NEW;
    }
    if (this.#holds(place, atUs)) return DUPLICATE;
    const { runs } = this.#chunks[place.chunk] as Chunk;
    const o = place.run * STRIDE;
    const start = runs[o + START] as number;
    const step = runs[o + STEP] as number;
    const count = runs[o + COUNT] as number;
    const position = count === 1 ? 0 : (atUs - start) / step;
    const after = { chunk: place.chunk, run: place.run + 1 };
    if (count === 1 || position > count - 1) {
      this.#put(after, atUs, 0, 1);
      return NEW;
    }
    const before = Math.floor(position) + 1;
    runs[o + COUNT] = before;
    this.#put(after, start + before * step, step, count - before);
    // The first put may have divided the chunk.
    const first = this.#runBefore(atUs) as Place;
    this.#put({ chunk: first.chunk, run: first.run + 1 }, atUs, 0, 1);
    return NEW;
  }

  /** The last run that starts at or before the time; undefined if all start after it. */
  #runBefore(atUs: number): Place | undefined {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { runs, from } = chunks[middle] as Chunk;
      if ((runs[from * STRIDE] as number) <= atUs) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const chunk = low - 1;
    const { runs, from, to } = chunks[chunk] as Chunk;
    let run = to - 1;
    if ((runs[run * STRIDE] as number) > atUs) {
      let [first, end] = [from, run];
      while (first < end) {
        const middle = (first + end) >>> 1;
        if ((runs[middle * STRIDE] as number) <= atUs) first = middle + 1;
        else end = middle;
      }
      run = first - 1;
    }
    return { chunk, run };
  }

  #holds({ chunk, run }: Place, atUs: number): boolean {
    const { runs } = this.#chunks[chunk] as Chunk;
    const start = runs[run * STRIDE + START] as number;
    const count = runs[run * STRIDE + COUNT] as number;
    if (count === 1) return atUs === start;
    const step = runs[run * STRIDE + STEP] as number;
    const position = (atUs - start) / step;
    return start + position * step === atUs && Number.isInteger(position) && position < count;
  }

  /** Inserts a run before the one at this place. */
  #put(place: Place, startUs: number, stepUs: number, count: number): void {
    let { chunk, run } = place;
    let into = this.#chunks[chunk];
    if (into === undefined) {
      chunk = this.#chunks.push({ runs: new Float64Array(RUNS_AT_FIRST * STRIDE), from: 0, to: 0 }) - 1;
      run = 0;
      into = this.#chunks[chunk] as Chunk;
    } else if (into.to - into.from >= CHUNK_RUNS_MAX) {
      const isAtEnd = chunk === this.#chunks.length - 1 && run === into.to;
      const middle = isAtEnd ? into.to : (into.from + into.to) >>> 1;
      const rest = { runs: into.runs.slice(middle * STRIDE, into.to * STRIDE), from: 0, to: into.to - middle };
      if (isAtEnd) rest.runs = new Float64Array(RUNS_AT_FIRST * STRIDE);
      into.to = middle;
      this.#chunks.splice(chunk + 1, 0, rest);
      if (run > middle || isAtEnd) {
        run -= middle;
        into = rest;
      }
    }
    if (into.from > 0 && into.to * STRIDE >= into.runs.length) {
      into.runs.copyWithin(0, into.from * STRIDE, into.to * STRIDE);
      run -= into.from;
      into.to -= into.from;
      into.from = 0;
    }
    into.runs = grown(into.runs, (into.to + 1) * STRIDE);
    const o = run * STRIDE;
    into.runs.copyWithin(o + STRIDE, o, into.to * STRIDE);
    into.runs[o + START] = startUs;
    into.runs[o + STEP] = count === 1 ? 0 : stepUs;
    into.runs[o + COUNT] = count;
    into.to++;
    this.#size++;
  }
}

function lastOf({ runs }: Chunk, run: number): number {
  const o = run * STRIDE;
  return (runs[o + START] as number) + (runs[o + STEP] as number) * ((runs[o + COUNT] as number) - 1);
}
