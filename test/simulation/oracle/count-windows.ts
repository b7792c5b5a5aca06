import type { ReadingValue } from "../../../domain/reading.ts";
import { aggregate, inOrder } from "./aggregate.ts";
import type { CourseRules, Emit, Fate, KeyWindows, Taken } from "./model.ts";

export interface CountOptions {
  readonly count: number;
  /** After how many readings a window ends; undefined: as many as it has. */
  readonly step: number | undefined;
  readonly latenessUs: number;
  /** No two readings can have the same instant, because `device` and `metric` are both in the key. */
  readonly alone: boolean;
  readonly course: CourseRules;
}

/** Windows of `count` readings. */
export class CountWindows implements KeyWindows {
  readonly #options: CountOptions;
  readonly #emit: Emit;
  #waiting: Taken[] = [];
  #current: Taken[] = [];
  /** The newest reading of the window before. */
  #before: Taken | undefined;
  /** All readings taken, in order, and how many of them the last window had seen. */
  readonly #all: Taken[] = [];
  #seen = 0;
  #arrivals = 0;
  #newestUs = Number.NEGATIVE_INFINITY;
  #newestCameUs = 0;
  #newestTakenUs = Number.NEGATIVE_INFINITY;

  constructor(options: CountOptions, emit: Emit) {
    this.#options = options;
    this.#emit = emit;
  }

  dueUs(): number {
    const next = inOrder(this.#waiting)[0];
    if (next === undefined) return Number.POSITIVE_INFINITY;
    return this.#newestCameUs + this.#passedAtUs(next) - this.#newestUs;
  }

  happen(): void {
    const next = inOrder(this.#waiting)[0];
    if (next !== undefined) this.#takeIn(next.atUs);
  }

  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate {
    if (reading.atUs > this.#newestUs) {
      this.#newestUs = reading.atUs;
      this.#newestCameUs = nowUs;
      this.#takePassed(nowUs);
    }
    if (reading.atUs <= this.#newestTakenUs) return { late: true, corrected: false, changed: false };
    this.#waiting.push({ ...reading, arrival: this.#arrivals++, refusedUpToUs: Number.NEGATIVE_INFINITY });
    this.#takePassed(nowUs);
    return { late: false, corrected: false, changed: true };
  }

  /** Takes the instants that the newest reading or idleness has passed. The inequality is the same for both. */
  #takePassed(nowUs: number): void {
    for (;;) {
      const next = inOrder(this.#waiting)[0];
      if (next === undefined) return;
      if (this.#passedAtUs(next) > this.#newestUs && this.dueUs() > nowUs) return;
      this.#takeIn(next.atUs);
    }
  }

  /** The time of a newest reading at which this one is taken. */
  #passedAtUs({ atUs }: Taken): number {
    return atUs + this.#options.latenessUs + (this.#options.alone ? 0 : 1);
  }

  /** Takes all readings of one instant. */
  #takeIn(atUs: number): void {
    this.#current.push(...inOrder(this.#waiting.filter((each) => each.atUs === atUs)));
    this.#waiting = this.#waiting.filter((each) => each.atUs !== atUs);
    this.#newestTakenUs = atUs;
    if (this.#options.step !== undefined) {
      this.#overlap(this.#options.step);
      return;
    }
    if (this.#current.length < this.#options.count) return;
    const span = { startUs: this.#current[0]?.atUs ?? atUs, endUs: atUs + 1 };
    const readings = this.#current;
    this.#current = [];
    const before = this.#before;
    this.#before = readings.at(-1);
    this.#emit(span, 0, (names) => aggregate(names, readings, span, before, this.#options.course));
  }

  /** The latest readings that are enough, with all readings of the earliest of their instants. */
  #overlap(step: number): void {
    this.#all.push(...this.#current.splice(0));
    const { count, course } = this.#options;
    const fromUs = this.#all.at(-count)?.atUs;
    if (fromUs === undefined || this.#all.length - this.#seen < step) return;
    this.#seen = this.#all.length;
    const readings = this.#all.filter((each) => each.atUs >= fromUs);
    const before = this.#all.filter((each) => each.atUs < fromUs).at(-1);
    const span = { startUs: fromUs, endUs: (this.#all.at(-1)?.atUs ?? 0) + 1 };
    this.#emit(span, 0, (names) => aggregate(names, readings, span, before, course));
  }
}
