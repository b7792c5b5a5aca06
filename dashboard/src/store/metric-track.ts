import { type ReadonlySignal, signal } from "@preact/signals";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { ReadingValue } from "../../../domain/reading.ts";
import { type Bucket, lowerBound, SeriesBuffer } from "../lib/series-buffer.ts";
import { StateRuns } from "../lib/state-runs.ts";

export const CHART_POINTS = 4_000;
/** Readings that come closer together than this may have had others between them. */
const CONFLATED_MS = 150;
/** A step of this many usual ones may have left out readings. */
const LEAP_STEPS = 3;

/** Everything known about one metric of the device on the screen. */
export interface MetricTrack {
  readonly metric: string;
  readonly kind: "number" | "word";
  /** Increases with every change of the members below. */
  readonly version: ReadonlySignal<number>;
  /** The past from the store, in buckets, then live readings. */
  readonly points: SeriesBuffer;
  /** The readings of the chosen span; undefined until they have arrived. */
  past(): SeriesAnswer | undefined;
  /** The states of a metric whose values are words: those of the span or the range, then live ones. */
  readonly states: Pick<StateRuns, "runs" | "changes" | "cut" | "beganBefore">;
}

/** A metric track, filled by live readings and answers from the store. */
export class LiveTrack implements MetricTrack {
  readonly metric: string;
  readonly kind: MetricTrack["kind"];
  readonly version = signal(0);
  readonly points: SeriesBuffer;
  readonly states = new StateRuns();
  /** The page will soon ask the store for readings that the feed left out. */
  isDue = false;
  /** When it last did, by the clock for pacing. */
  completedAtMs = -Infinity;
  /** The newest reading at the time when the buffer overflowed and the page asked the store again. */
  overflowedAtUs = -Infinity;
  #past: SeriesAnswer | undefined;
  /** When the last reading came from the feed, by the clock for pacing. */
  #liveAtMs = -Infinity;
  #newestUs = -Infinity;
  #usualStepUs = 0;
  /** The points from here on are single live readings. */
  #liveFromUs = -Infinity;

  constructor(metric: string, kind: MetricTrack["kind"]) {
    this.metric = metric;
    this.kind = kind;
    this.points = new SeriesBuffer(CHART_POINTS, { reserve: kind === "number" });
  }

  past(): SeriesAnswer | undefined {
    return this.#past;
  }

  setPast(answer: SeriesAnswer | undefined): void {
    this.#past = answer;
  }

  /**
   * Replaces the points with the store's buckets of `[.., toUs)`. Each reading counts once: of the live readings before
   * `toUs`, only those stay that are after the last bucket, which the store did not have yet. Returns whether there were
   * any.
   */
  setHistory(answer: SeriesAnswer, { toUs, bucketUs }: { readonly toUs: number; readonly bucketUs: number }): boolean {
    const live = this.#liveReadings();
    const buckets = bucketsOf(answer);
    const last = buckets.pop();
    const lastUs = last?.at ?? -Infinity;
    const endUs = Math.min(lastUs + bucketUs, toUs);
    const covered = live.filter(({ at }) => at >= lastUs && at < endUs);
    const newer = live.filter(({ at }) => at >= endUs);
    const newest = covered.at(-1);
    this.points.clear();
    for (const bucket of buckets) this.points.add(bucket);
    if (last !== undefined && newest !== undefined && last.count === 1 && last.value === newest.value) {
      this.points.add(newest);
    } else if (last !== undefined) {
      this.points.add(widened(last, covered));
      // The chart ends with the newest reading, although the last bucket counts it already.
      if (newest !== undefined && newest.at > lastUs) this.points.add({ ...newest, count: 0 });
    }
    for (const reading of newer) this.points.add(reading);
    this.#liveFromUs = newest?.at ?? newer[0]?.at ?? lastUs + 1;
    return newer.some(({ at }) => at < toUs);
  }

  /**
   * Adds a reading from the feed. Returns whether the feed may have left out others before it: it sends the newest
   * reading ten times a second, so more than one may have come since, or a backlog all at once.
   */
  pushLive(reading: { readonly atUs: number; readonly value: ReadingValue; readonly nowMs: number }): boolean {
    const { atUs, value, nowMs } = reading;
    const stepUs = atUs - this.#newestUs;
    const sinceMs = nowMs - this.#liveAtMs;
    if (typeof value === "number") this.points.push(atUs, value);
    else this.states.push(atUs, String(value));
    if (stepUs <= 0) return false;
    this.#newestUs = atUs;
    this.#liveAtMs = nowMs;
    if (stepUs === Infinity) return false;
    const usualUs = this.#usualStepUs;
    this.#usualStepUs = usualUs === 0 ? stepUs : usualUs + (Math.min(stepUs, usualUs * 4) - usualUs) / 8;
    return sinceMs < CONFLATED_MS || (usualUs > 0 && stepUs > usualUs * LEAP_STEPS);
  }

  #liveReadings(): readonly Bucket[] {
    const { at, values } = this.points.view();
    const first = lowerBound(at, this.#liveFromUs);
    return Array.from(at.subarray(first), (one, i) => {
      const value = values[first + i] ?? Number.NaN;
      return { at: one, value, min: value, max: value, count: 1 };
    });
  }
}

function bucketsOf({ atUs, avg, min, max, count }: SeriesAnswer): Bucket[] {
  return atUs.map((at, i) => {
    const value = avg[i] ?? Number.NaN;
    return { at, value, min: min[i] ?? value, max: max[i] ?? value, count: count[i] ?? 1 };
  });
}

/** The store may have stored some of these readings of the bucket after it answered. */
function widened(bucket: Bucket, readings: readonly Bucket[]): Bucket {
  const min = Math.min(bucket.min, ...readings.map(({ value }) => value));
  return { ...bucket, min, max: Math.max(bucket.max, ...readings.map(({ value }) => value)) };
}
