import { type ReadonlySignal, signal } from "@preact/signals";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";

export const CHART_POINTS = 4_000;
const WORDS_MAX = 60;

export interface WordChange {
  readonly atUs: number;
  readonly word: string;
}

/** Everything known about one metric of the device on the screen. */
export interface MetricTrack {
  readonly metric: string;
  readonly kind: "number" | "word";
  /** Increases with every change of the members below. */
  readonly version: ReadonlySignal<number>;
  readonly points: SeriesBuffer;
  /** The spread of the readings behind each point that sums up several. */
  history(): SeriesAnswer | undefined;
  /** The readings of the chosen span; undefined until they have arrived. */
  past(): SeriesAnswer | undefined;
  /** Oldest first. Repetitions of a word are one change. */
  readonly words: readonly WordChange[];
}

/** A metric track, filled by live readings and answers from the store. */
export class LiveTrack implements MetricTrack {
  readonly metric: string;
  readonly kind: MetricTrack["kind"];
  readonly version = signal(0);
  readonly points: SeriesBuffer;
  readonly words: WordChange[] = [];
  /** The newest reading at the time when the buffer overflowed and the page asked the store again. */
  overflowedAtUs = -Infinity;
  #history: SeriesAnswer | undefined;
  #past: SeriesAnswer | undefined;

  constructor(metric: string, kind: MetricTrack["kind"]) {
    this.metric = metric;
    this.kind = kind;
    this.points = new SeriesBuffer(CHART_POINTS, { reserve: kind === "number" });
  }

  history(): SeriesAnswer | undefined {
    return this.#history;
  }

  past(): SeriesAnswer | undefined {
    return this.#past;
  }

  setPast(answer: SeriesAnswer | undefined): void {
    this.#past = answer;
  }

  /** Replaces the points with an answer from the store. Live points that are newer than the whole answer stay. */
  setHistory(answer: SeriesAnswer): void {
    const live = this.points.view();
    const lastUs = answer.atUs.at(-1) ?? -Infinity;
    const newer: [number, number][] = [];
    live.at.forEach((atUs, index) => {
      if (atUs > lastUs) newer.push([atUs, live.values[index] ?? Number.NaN]);
    });
    this.points.clear();
    answer.atUs.forEach((atUs, index) => {
      this.points.push(atUs, answer.avg[index] ?? Number.NaN);
    });
    for (const [atUs, value] of newer) this.points.push(atUs, value);
    this.#history = answer;
  }

  pushWord(atUs: number, word: string): void {
    const last = this.words.at(-1);
    if (last !== undefined && (last.word === word || atUs <= last.atUs)) return;
    this.words.push({ atUs, word });
    if (this.words.length > WORDS_MAX) this.words.shift();
  }
}
