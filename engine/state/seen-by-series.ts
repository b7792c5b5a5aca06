import { grown } from "../../domain/grown.ts";
import { DUPLICATE, NEW, type Seen, SeenTimes } from "./seen-times.ts";
import type { SnapshotReader, SnapshotWriter } from "./snapshot-io.ts";

const START = 0;
const STEP = 1;
const COUNT = 2;
const STRIDE = 3;

/** Bounds the memory of a sensor with an irregular clock: 6 MB, for more than 250,000 readings. */
const RUNS_MAX = 2 ** 18;
const SERIES_PER_PAUSE = 2_000;

/** The observation times of many series. A series with a steady clock takes a single run in a flat array. */
export class SeenBySeries {
  #runs: Float64Array = new Float64Array(0);
  readonly #irregular: (SeenTimes | undefined)[] = [];

  /** Whether the series has had a reading. */
  has(id: number): boolean {
    return (this.#runs[id * STRIDE + COUNT] ?? 0) > 0;
  }

  /** Adds a time. `horizonUs`: how far back from the series' newest time duplicates must be recognized. */
  add(id: number, atUs: number, horizonUs: number): Seen {
    const irregular = this.#irregular[id];
    if (irregular !== undefined) return irregular.add(atUs, horizonUs);
    const runs = this.#runs;
    const o = id * STRIDE;
    const count = runs[o + COUNT] ?? 0;
    if (count === 0) return this.#begin(id, atUs);
    const start = runs[o + START] as number;
    if (count === 1) {
      if (atUs === start) return DUPLICATE;
      if (atUs < start) return this.#split(id).add(atUs, horizonUs);
      runs[o + STEP] = atUs - start;
      runs[o + COUNT] = 2;
      return NEW;
    }
    const step = runs[o + STEP] as number;
    if (atUs === start + step * count) {
      runs[o + COUNT] = count + 1;
      return NEW;
    }
    const place = (atUs - start) / step;
    if (place >= 0 && place < count && Number.isInteger(place)) return DUPLICATE;
    return this.#split(id).add(atUs, horizonUs);
  }

  /** The result of adding a time, without adding it. */
  find(id: number, atUs: number): Seen {
    const irregular = this.#irregular[id];
    if (irregular !== undefined) return irregular.find(atUs);
    const o = id * STRIDE;
    const count = this.#runs[o + COUNT] ?? 0;
    const start = this.#runs[o + START] ?? Number.NaN;
    if (count <= 1) return count === 1 && atUs === start ? DUPLICATE : NEW;
    const place = (atUs - start) / (this.#runs[o + STEP] ?? Number.NaN);
    return place >= 0 && place < count && Number.isInteger(place) ? DUPLICATE : NEW;
  }

  /** -Infinity for a series that has had no reading. */
  newestUs(id: number): number {
    const irregular = this.#irregular[id];
    if (irregular !== undefined) return irregular.newestUs;
    const o = id * STRIDE;
    const count = this.#runs[o + COUNT] ?? 0;
    if (count === 0) return Number.NEGATIVE_INFINITY;
    return (this.#runs[o + START] as number) + (count - 1) * (this.#runs[o + STEP] as number);
  }

  /** The series is as new. */
  forget(id: number): void {
    if (!this.has(id)) return;
    this.#runs[id * STRIDE + COUNT] = 0;
    this.#irregular[id] = undefined;
  }

  *snapshot(to: SnapshotWriter, ids: readonly number[]): Iterable<undefined> {
    for (const [i, id] of ids.entries()) {
      const irregular = this.#irregular[id];
      const o = id * STRIDE;
      to.doubles(irregular?.snapshot() ?? this.#runs.subarray(o, o + STRIDE));
      if (i % SERIES_PER_PAUSE === 0) yield;
    }
  }

  /** `ids`: the saved series, in the order of the snapshot. */
  *restore(from: SnapshotReader, ids: readonly number[]): Iterable<undefined> {
    for (const [i, id] of ids.entries()) {
      if (i % SERIES_PER_PAUSE === 0) yield;
      const saved = from.doubles();
      this.#reserve(id);
      // A snapshot of `SeenTimes` has one more number before its runs.
      if (saved.length % STRIDE === 0) this.#runs.set(saved, id * STRIDE);
      else this.#irregular[id] = SeenTimes.restore(saved, RUNS_MAX);
      if (this.#irregular[id]) this.#runs[id * STRIDE + COUNT] = 1;
    }
  }

  #begin(id: number, atUs: number): Seen {
    this.#reserve(id);
    this.#runs[id * STRIDE + START] = atUs;
    this.#runs[id * STRIDE + COUNT] = 1;
    return NEW;
  }

  #split(id: number): SeenTimes {
    const run = this.#runs.subarray(id * STRIDE, (id + 1) * STRIDE);
    const seen = SeenTimes.restore(Float64Array.of(Number.NEGATIVE_INFINITY, ...run), RUNS_MAX);
    this.#irregular[id] = seen;
    return seen;
  }

  #reserve(id: number): void {
    this.#runs = grown(this.#runs, (id + 1) * STRIDE);
  }
}
