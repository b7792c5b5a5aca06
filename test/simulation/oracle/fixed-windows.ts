import type { ReadingValue } from "../../../domain/reading.ts";
import { aggregate, inOrder } from "./aggregate.ts";
import type { CourseRules, Emit, Fate, KeyWindows, Span, Taken } from "./model.ts";

const CORRECTED_AFTER_US = 1_000_000;

export interface FixedOptions {
  readonly kind: "tumbling" | "hopping" | "sliding" | "calendar";
  /** The window of a calendar that holds an instant. */
  readonly spanAt?: ((atUs: number) => Span) | undefined;
  readonly sizeUs: number;
  readonly everyUs: number;
  readonly latenessUs: number;
  readonly drop: boolean;
  /** No two readings can have the same instant, because `device` and `metric` are both in the key. */
  readonly alone: boolean;
  readonly course: CourseRules;
}

/** Tumbling, hopping and sliding windows of one key, recomputed from all its readings at each event. */
export class FixedWindows implements KeyWindows {
  readonly #options: FixedOptions;
  readonly #emit: Emit;
  readonly #readings: Taken[] = [];
  #arrivals = 0;
  readonly #emitted = new Map<number, number>();
  #corrections = new Map<number, Span>();
  #correctionsDueUs = Number.POSITIVE_INFINITY;
  #newestUs = Number.NEGATIVE_INFINITY;
  #newestCameUs = 0;
  /** All windows that end by this time are closed. */
  #watermarkUs = Number.NEGATIVE_INFINITY;

  constructor(options: FixedOptions, emit: Emit) {
    this.#options = options;
    this.#emit = emit;
  }

  dueUs(): number {
    return Math.min(this.#correctionsDueUs, this.#idleDueUs());
  }

  happen(): void {
    if (this.#correctionsDueUs <= this.#idleDueUs()) this.#correct();
    else this.#close(this.#nextOpen());
  }

  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate {
    if (reading.atUs > this.#newestUs) this.#raise(reading.atUs, nowUs);
    const { drop } = this.#options;
    const refusedUpToUs = drop ? this.#watermarkUs : this.#watermarkUs - 2 * this.#options.sizeUs;
    const taken: Taken = { ...reading, arrival: this.#arrivals++, refusedUpToUs };
    const holding = this.#windowsOf(reading.atUs);
    this.#readings.push(taken);
    if (this.#options.kind === "sliding") holding.push(...this.#laterWindowsOf(reading.atUs));
    const closed = holding.filter(({ endUs }) => endUs <= this.#watermarkUs);
    const corrected = closed.filter(({ endUs }) => endUs > refusedUpToUs);
    const changed = holding.some(({ endUs }) => endUs > refusedUpToUs);
    // A reading that is dropped as late never counts anywhere.
    if (!changed) this.#readings.pop();
    if (changed) corrected.push(...this.#following(taken));
    for (const span of corrected) this.#corrections.set(span.startUs, span);
    if (corrected.length > 0 && this.#correctionsDueUs === Number.POSITIVE_INFINITY) {
      this.#correctionsDueUs = nowUs + CORRECTED_AFTER_US;
    }
    this.#closeOver();
    while (this.#idleDueUs() <= nowUs) this.#close(this.#nextOpen());
    return { late: closed.length > 0, corrected: corrected.length > 0, changed };
  }

  #raise(newestUs: number, nowUs: number): void {
    this.#correctBefore(newestUs - this.#options.latenessUs);
    this.#newestUs = newestUs;
    this.#newestCameUs = nowUs;
    this.#closeOver();
    this.#watermarkUs = Math.max(this.#watermarkUs, newestUs - this.#options.latenessUs);
  }

  /** Closes the windows that the newest reading shows to be over. */
  #closeOver(): void {
    for (;;) {
      const next = this.#nextOpen();
      if (next === undefined || this.#overAtUs(next) > this.#newestUs) return;
      this.#close(next);
    }
  }

  /** The time of a newest reading that shows a window to be over. */
  #overAtUs({ endUs }: Span): number {
    const { kind, alone, latenessUs } = this.#options;
    return endUs + latenessUs - (kind === "sliding" && alone ? 1 : 0);
  }

  #idleDueUs(): number {
    const next = this.#nextOpen();
    if (next === undefined) return Number.POSITIVE_INFINITY;
    return this.#newestCameUs + this.#overAtUs(next) - this.#newestUs;
  }

  /** Emits all corrections now if this watermark would end the retention of one of their windows. */
  #correctBefore(watermarkUs: number): void {
    const forgottenUs = watermarkUs - 2 * this.#options.sizeUs;
    if ([...this.#corrections.values()].some(({ endUs }) => endUs <= forgottenUs)) this.#correct();
  }

  #close(span: Span | undefined): void {
    if (span === undefined) return;
    this.#correctBefore(span.endUs);
    this.#watermarkUs = Math.max(this.#watermarkUs, span.endUs);
    this.#emitted.set(span.startUs, 0);
    this.#say(span, 0);
  }

  #correct(): void {
    const spans = [...this.#corrections.values()].sort((a, b) => a.endUs - b.endUs);
    this.#corrections = new Map();
    this.#correctionsDueUs = Number.POSITIVE_INFINITY;
    for (const span of spans) {
      const emitted = this.#emitted.get(span.startUs);
      const revision = emitted === undefined ? 0 : emitted + 1;
      this.#emitted.set(span.startUs, revision);
      this.#say(span, revision);
    }
  }

  #say(span: Span, revision: number): void {
    const before = this.#before(span);
    const inside = this.#inside(span);
    this.#emit(span, revision, (names) => aggregate(names, inside, span, before, this.#options.course));
  }

  #before({ startUs }: Span): Taken | undefined {
    return inOrder(this.#readings.filter((each) => this.#counted(each) && each.atUs < startUs)).at(-1);
  }

  /** Closed windows with readings before which this reading is now the newest. */
  #following(taken: Taken): Span[] {
    if (!this.#options.course.matters) return [];
    const later = new Map<number, Span>();
    for (const { atUs } of this.#readings) for (const span of this.#windowsOf(atUs)) later.set(span.startUs, span);
    return [...later.values()].filter(
      (span) =>
        span.startUs > taken.atUs &&
        span.endUs <= this.#watermarkUs &&
        span.endUs > taken.refusedUpToUs &&
        this.#inside(span).length > 0 &&
        this.#before(span) === taken,
    );
  }

  /** Whether any window accepted the reading. */
  #counted({ atUs, refusedUpToUs }: Taken): boolean {
    return this.#options.kind === "sliding" || this.#windowsOf(atUs).some(({ endUs }) => endUs > refusedUpToUs);
  }

  #inside({ startUs, endUs }: Span): Taken[] {
    return this.#readings.filter((each) => each.atUs >= startUs && each.atUs < endUs && endUs > each.refusedUpToUs);
  }

  /** The open window that closes first. */
  #nextOpen(): Span | undefined {
    let next: Span | undefined;
    for (const { atUs, refusedUpToUs } of this.#readings) {
      for (const span of this.#windowsOf(atUs)) {
        if (span.endUs <= this.#watermarkUs || span.endUs <= refusedUpToUs) continue;
        if (next === undefined || span.endUs < next.endUs) next = span;
      }
    }
    return next;
  }

  /** The windows that contain an observation time. For sliding windows, the one that ends with it. */
  #windowsOf(atUs: number): Span[] {
    const { kind, sizeUs, everyUs, spanAt } = this.#options;
    if (spanAt) return [spanAt(atUs)];
    if (kind === "sliding") return [{ startUs: atUs - sizeUs + 1, endUs: atUs + 1 }];
    const spans: Span[] = [];
    for (let startUs = Math.floor(atUs / everyUs) * everyUs; startUs + sizeUs > atUs; startUs -= everyUs) {
      spans.push({ startUs, endUs: startUs + sizeUs });
    }
    return spans;
  }

  /** Sliding windows of later observation times that contain this one. */
  #laterWindowsOf(atUs: number): Span[] {
    const times = new Set<number>();
    for (const each of this.#readings) {
      const own = each.atUs + 1;
      const made = own > each.refusedUpToUs;
      if (made && each.atUs > atUs && each.atUs < atUs + this.#options.sizeUs) times.add(each.atUs);
    }
    return [...times].flatMap((time) => this.#windowsOf(time));
  }
}
