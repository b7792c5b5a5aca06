import type { ReadingValue } from "../../../domain/reading.ts";
import { aggregate, inOrder } from "./aggregate.ts";
import type { CourseRules, Emit, Fate, KeyWindows, Taken } from "./model.ts";

const CORRECTED_AFTER_US = 1_000_000;

export interface FilledOptions {
  readonly sizeUs: number;
  readonly latenessUs: number;
  readonly fillForUs: number;
  readonly drop: boolean;
  readonly course: CourseRules;
}

/** Tumbling windows with `fill: last` of one key, recomputed from all its readings at each event. */
export class FilledWindows implements KeyWindows {
  readonly #options: FilledOptions;
  readonly #emit: Emit;
  readonly #readings: Taken[] = [];
  /** The last revision of each end. */
  readonly #emitted = new Map<number, number>();
  #corrections = new Set<number>();
  #correctionsDueUs = Number.POSITIVE_INFINITY;
  #newestUs = Number.NEGATIVE_INFINITY;
  #newestCameUs = 0;
  #watermarkUs = Number.NEGATIVE_INFINITY;
  /** The end of the newest window that was emitted in order. */
  #orderedUs = Number.NEGATIVE_INFINITY;

  constructor(options: FilledOptions, emit: Emit) {
    this.#options = options;
    this.#emit = emit;
  }

  dueUs(): number {
    return Math.min(this.#correctionsDueUs, this.#idleDueUs());
  }

  happen(): void {
    if (this.#correctionsDueUs <= this.#idleDueUs()) this.#correct();
    else this.#emitNext(this.#nextEnd());
  }

  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate {
    const { sizeUs, drop } = this.#options;
    const { atUs } = reading;
    if (atUs > this.#newestUs) this.#raise(atUs, nowUs);
    const endUs = this.#endOf(atUs);
    const late = endUs <= this.#watermarkUs;
    if (late && (drop || endUs <= this.#watermarkUs - 2 * sizeUs)) return { late, corrected: false, changed: false };
    const newest = this.#readings.every((each) => this.#endOf(each.atUs) !== endUs || each.atUs <= atUs);
    this.#readings.push({ ...reading, arrival: this.#readings.length, refusedUpToUs: Number.NEGATIVE_INFINITY });
    if (endUs <= Math.max(this.#watermarkUs, this.#orderedUs)) {
      this.#corrections.add(endUs);
      if (newest) for (const each of this.#repeatersOf(endUs)) this.#corrections.add(each);
      this.#correctionsDueUs = Math.min(this.#correctionsDueUs, nowUs + CORRECTED_AFTER_US);
    }
    while (this.#idleDueUs() <= nowUs) this.#emitNext(this.#nextEnd());
    return { late, corrected: late, changed: true };
  }

  /** The emitted windows that begin with the newest value of the window that ends at `endUs`. */
  #repeatersOf(endUs: number): number[] {
    const ends = this.#readings.map(({ atUs }) => this.#endOf(atUs)).filter((each) => each > endUs);
    const next = Math.min(...ends);
    return [...this.#emitted.keys()].filter(
      (each) => each > endUs && (each < next || (each === next && this.#options.course.matters)),
    );
  }

  #raise(newestUs: number, nowUs: number): void {
    const { latenessUs, sizeUs } = this.#options;
    const watermarkUs = Math.max(this.#watermarkUs, newestUs - latenessUs);
    const earliest = Math.min(...this.#corrections);
    const provisional = earliest > this.#watermarkUs;
    if (earliest <= (provisional ? watermarkUs : watermarkUs - 2 * sizeUs)) this.#correct();
    this.#newestUs = newestUs;
    this.#newestCameUs = nowUs;
    for (let next = this.#nextEnd(); next !== undefined && next <= watermarkUs; next = this.#nextEnd()) {
      this.#watermarkUs = Math.max(this.#watermarkUs, next);
      this.#emitNext(next);
    }
    this.#watermarkUs = watermarkUs;
  }

  #idleDueUs(): number {
    const next = this.#nextEnd();
    if (next === undefined) return Number.POSITIVE_INFINITY;
    return this.#newestCameUs + next + this.#options.latenessUs - this.#newestUs;
  }

  /** The end of the next window in order. */
  #nextEnd(): number | undefined {
    const { sizeUs, fillForUs } = this.#options;
    const doneUs = Math.max(this.#orderedUs, this.#watermarkUs);
    const ends = this.#readings.map(({ atUs }) => this.#endOf(atUs)).filter((endUs) => endUs > doneUs);
    const filled = this.#orderedUs + sizeUs;
    const before = this.#newestBefore(filled);
    if (before !== undefined && filled <= before.atUs + fillForUs) ends.push(filled);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  #newestBefore(beforeUs: number): Taken | undefined {
    return inOrder(this.#readings.filter(({ atUs }) => atUs < beforeUs)).at(-1);
  }

  #emitNext(next: number | undefined): void {
    if (next === undefined) return;
    this.#orderedUs = next;
    this.#say(next);
  }

  #correct(): void {
    const ends = [...this.#corrections].sort((a, b) => a - b);
    this.#corrections = new Set();
    this.#correctionsDueUs = Number.POSITIVE_INFINITY;
    for (const endUs of ends) this.#say(endUs);
  }

  #say(endUs: number): void {
    const span = { startUs: endUs - this.#options.sizeUs, endUs };
    const revision = (this.#emitted.get(endUs) ?? -1) + 1;
    this.#emitted.set(endUs, revision);
    const inside = this.#readings.filter(({ atUs }) => this.#endOf(atUs) === endUs);
    const before = this.#newestBefore(span.startUs);
    this.#emit(
      span,
      revision,
      (names) => aggregate(names, inside, span, before, this.#options.course),
      endUs > this.#watermarkUs,
    );
  }

  #endOf(atUs: number): number {
    return (Math.floor(atUs / this.#options.sizeUs) + 1) * this.#options.sizeUs;
  }
}
