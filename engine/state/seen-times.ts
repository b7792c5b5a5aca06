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

/**
 * ADR 5. The exact observation times of one series. A regular sensor takes a few numbers: times are kept as runs of
 * (start, step, count), sorted and disjoint. Runs older than the horizon are dropped, because no window accepts such
 * a time. Runs beyond `runsMax` are dropped as well, although windows may still accept their times. So times up to
 * the last dropped one are `TOO_OLD`.
 */
export class SeenTimes {
  #runs = new Float64Array(RUNS_AT_FIRST * STRIDE);
  #size = 0;
  #newestUs = Number.NEGATIVE_INFINITY;
  #forgottenUs = Number.NEGATIVE_INFINITY;
  readonly #runsMax: number;

  constructor(runsMax: number) {
    this.#runsMax = runsMax;
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
    const run = this.#runBefore(atUs);
    return run >= 0 && this.#holds(run, atUs) ? DUPLICATE : NEW;
  }

  snapshot(): Float64Array {
    const flat = new Float64Array(1 + this.#size * STRIDE);
    flat[0] = this.#forgottenUs;
    flat.set(this.#runs.subarray(0, this.#size * STRIDE), 1);
    return flat;
  }

  /** `flat`: from `snapshot`. */
  static restore(flat: Float64Array, runsMax: number): SeenTimes {
    const seen = new SeenTimes(runsMax);
    seen.#forgottenUs = flat[0] ?? Number.NEGATIVE_INFINITY;
    seen.#runs = flat.slice(1);
    seen.#size = (flat.length - 1) / STRIDE;
    if (seen.#size > 0) seen.#newestUs = seen.#lastOf(seen.#size - 1);
    return seen;
  }

  #append(atUs: number, horizonUs: number): void {
    const runs = this.#runs;
    this.#newestUs = atUs;
    if (this.#size > 0) {
      const o = (this.#size - 1) * STRIDE;
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
    this.#splice(this.#size, atUs, 0, 1);
  }

  /** Drops whole runs before the horizon, and then the oldest if there are still too many. */
  #forget(beforeUs: number): void {
    let gone = 0;
    while (gone < this.#size && (this.#lastOf(gone) < beforeUs || this.#size - gone >= this.#runsMax)) gone++;
    if (gone === 0) return;
    const goneUs = this.#lastOf(gone - 1);
    if (goneUs >= beforeUs) this.#forgottenUs = goneUs;
    this.#runs.copyWithin(0, gone * STRIDE, this.#size * STRIDE);
    this.#size -= gone;
  }

  /** Adds a time before the newest: it is in a run, in a gap of a run, or between two runs. */
  #insert(atUs: number): Seen {
    const runs = this.#runs;
    const at = this.#runBefore(atUs);
    if (at < 0) {
      this.#splice(0, atUs, 0, 1);
      return NEW;
    }
    if (this.#holds(at, atUs)) return DUPLICATE;
    const start = runs[at * STRIDE + START] as number;
    const step = runs[at * STRIDE + STEP] as number;
    const count = runs[at * STRIDE + COUNT] as number;
    const position = count === 1 ? 0 : (atUs - start) / step;
    if (count === 1 || position > count - 1) {
      this.#splice(at + 1, atUs, 0, 1);
      return NEW;
    }
    const before = Math.floor(position) + 1;
    runs[at * STRIDE + COUNT] = before;
    this.#splice(at + 1, atUs, 0, 1);
    this.#splice(at + 2, start + before * step, step, count - before);
    return NEW;
  }

  /** The last run that starts at or before the time; -1 if all start after it. */
  #runBefore(atUs: number): number {
    let run = this.#size - 1;
    while (run >= 0 && (this.#runs[run * STRIDE] as number) > atUs) run--;
    return run;
  }

  #holds(run: number, atUs: number): boolean {
    const start = this.#runs[run * STRIDE + START] as number;
    const count = this.#runs[run * STRIDE + COUNT] as number;
    if (count === 1) return atUs === start;
    const step = this.#runs[run * STRIDE + STEP] as number;
    const position = (atUs - start) / step;
    return start + position * step === atUs && Number.isInteger(position) && position < count;
  }

  #lastOf(run: number): number {
    const o = run * STRIDE;
    const count = this.#runs[o + COUNT] as number;
    return (this.#runs[o + START] as number) + (this.#runs[o + STEP] as number) * (count - 1);
  }

  #splice(at: number, startUs: number, stepUs: number, count: number): void {
    const needed = (this.#size + 1) * STRIDE;
    this.#runs = grown(this.#runs, needed);
    const o = at * STRIDE;
    this.#runs.copyWithin(o + STRIDE, o, this.#size * STRIDE);
    this.#runs[o + START] = startUs;
    this.#runs[o + STEP] = count === 1 ? 0 : stepUs;
    this.#runs[o + COUNT] = count;
    this.#size++;
  }
}
