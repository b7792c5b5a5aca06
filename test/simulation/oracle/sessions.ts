import type { ReadingValue } from "../../../domain/reading.ts";
import { aggregate, inOrder } from "./aggregate.ts";
import type { CourseRules, Emit, Fate, KeyWindows, Span, Taken } from "./model.ts";

const CORRECTED_AFTER_US = 1_000_000;

export interface SessionOptions {
  readonly gapUs: number;
  readonly latenessUs: number;
  readonly drop: boolean;
  readonly course: CourseRules;
}

interface Session extends Span {
  readonly readings: readonly Taken[];
  /** The newest reading before it. */
  readonly before: Taken | undefined;
}

/** The last result emitted for a start. */
interface Emitted {
  readonly revision: number;
  readonly text: string;
}

const RETRACTED = "retracted";

/** The sessions of one key, recomputed from all its readings at each event. */
export class Sessions implements KeyWindows {
  readonly #options: SessionOptions;
  readonly #emit: Emit;
  #readings: Taken[] = [];
  #arrivals = 0;
  readonly #emitted = new Map<number, Emitted>();
  /** Readings of sessions that are no longer retained, and so never change. */
  readonly #settled = new Set<number>();
  #correctionsDueUs = Number.POSITIVE_INFINITY;
  #newestUs = Number.NEGATIVE_INFINITY;
  #newestCameUs = 0;
  #watermarkUs = Number.NEGATIVE_INFINITY;
  /** The newest reading of the sessions that are no longer retained. */
  #left: Taken | undefined;

  constructor(options: SessionOptions, emit: Emit) {
    this.#options = options;
    this.#emit = emit;
  }

  dueUs(): number {
    return Math.min(this.#correctionsDueUs, this.#idleDueUs());
  }

  happen(): void {
    if (this.#correctionsDueUs <= this.#idleDueUs()) this.#correct();
    else this.#closeNext();
  }

  take(reading: { readonly atUs: number; readonly value: ReadingValue }, nowUs: number): Fate {
    if (reading.atUs > this.#newestUs) this.#raise(reading.atUs, nowUs);
    const { atUs } = reading;
    const { gapUs, drop } = this.#options;
    const touched = this.#sessions().filter(({ startUs, endUs }) => atUs > startUs - gapUs && atUs < endUs);
    const late =
      touched.some(({ endUs }) => endUs <= this.#watermarkUs) ||
      (touched.length === 0 && atUs + gapUs <= this.#watermarkUs);
    const forgotten = touched.length === 0 && atUs + gapUs <= this.#watermarkUs - 2 * gapUs;
    if (late && (drop || forgotten)) return { late, corrected: false, changed: false };
    this.#readings.push({ ...reading, arrival: this.#arrivals++, refusedUpToUs: Number.NEGATIVE_INFINITY });
    if (this.#hasCorrections() && this.#correctionsDueUs === Number.POSITIVE_INFINITY) {
      this.#correctionsDueUs = nowUs + CORRECTED_AFTER_US;
    }
    while (this.#idleDueUs() <= nowUs) this.#closeNext();
    return { late, corrected: late, changed: true };
  }

  #raise(newestUs: number, nowUs: number): void {
    this.#correctBefore(newestUs - this.#options.latenessUs);
    this.#newestUs = newestUs;
    this.#newestCameUs = nowUs;
    for (let next = this.#nextOpen(); next !== undefined; next = this.#nextOpen()) {
      if (next.endUs + this.#options.latenessUs > newestUs) break;
      this.#closeNext();
    }
    this.#watermarkUs = Math.max(this.#watermarkUs, newestUs - this.#options.latenessUs);
    this.#forget();
  }

  #forget(): void {
    const forgottenUs = this.#watermarkUs - 2 * this.#options.gapUs;
    for (const session of this.#sessions()) {
      if (session.endUs > forgottenUs) continue;
      for (const { atUs } of session.readings) this.#settled.add(atUs);
      this.#left = inOrder(session.readings).at(-1);
      this.#readings = this.#readings.filter((each) => !session.readings.includes(each));
    }
  }

  /** Emits all corrections now if this watermark would end the retention of one of their sessions. */
  #correctBefore(watermarkUs: number): void {
    const forgottenUs = watermarkUs - 2 * this.#options.gapUs;
    // A retraction is retained as long as the emitted window.
    const ends = this.#corrections().map(({ startUs, endUs, readings }) =>
      readings.length > 0 ? endUs : Number.parseInt(this.#emitted.get(startUs)?.text ?? "", 10),
    );
    if (ends.some((endUs) => endUs <= forgottenUs)) this.#correct();
  }

  #idleDueUs(): number {
    const next = this.#nextOpen();
    if (next === undefined) return Number.POSITIVE_INFINITY;
    return this.#newestCameUs + next.endUs + this.#options.latenessUs - this.#newestUs;
  }

  #sessions(): Session[] {
    const sessions: { startUs: number; endUs: number; readings: Taken[]; before: Taken | undefined }[] = [];
    for (const reading of inOrder(this.#readings)) {
      const last = sessions.at(-1);
      const endUs = reading.atUs + this.#options.gapUs;
      if (last !== undefined && reading.atUs < last.endUs) {
        last.endUs = endUs;
        last.readings.push(reading);
      } else {
        const before = last === undefined ? this.#left : last.readings.at(-1);
        sessions.push({ startUs: reading.atUs, endUs, readings: [reading], before });
      }
    }
    return sessions;
  }

  #nextOpen(): Session | undefined {
    return this.#sessions().find(({ endUs }) => endUs > this.#watermarkUs);
  }

  #closeNext(): void {
    const next = this.#nextOpen();
    if (next === undefined) return;
    this.#correctBefore(next.endUs);
    this.#watermarkUs = next.endUs;
    this.#say(next);
    this.#forget();
  }

  /**
   * Closed sessions that differ from their last result, and starts that no longer start a session (with `end =
   * start`).
   */
  #corrections(): Session[] {
    const sessions = this.#sessions();
    const changed = sessions.filter(
      (session) =>
        session.endUs <= this.#watermarkUs && this.#emitted.get(session.startUs)?.text !== this.#textOf(session),
    );
    for (const [startUs, { text }] of this.#emitted) {
      if (text === RETRACTED || this.#settled.has(startUs)) continue;
      if (!sessions.some((session) => session.startUs === startUs)) {
        changed.push({ startUs, endUs: startUs, readings: [], before: undefined });
      }
    }
    return changed.sort((a, b) => a.endUs - b.endUs || a.startUs - b.startUs);
  }

  #hasCorrections(): boolean {
    return this.#corrections().length > 0;
  }

  #correct(): void {
    this.#correctionsDueUs = Number.POSITIVE_INFINITY;
    for (const session of this.#corrections()) this.#say(session);
  }

  #say(session: Session): void {
    const { startUs, endUs, readings, before } = session;
    const revision = (this.#emitted.get(startUs)?.revision ?? -1) + 1;
    const retracted = readings.length === 0;
    this.#emitted.set(startUs, { revision, text: retracted ? RETRACTED : this.#textOf(session) });
    const span = { startUs, endUs };
    this.#emit(span, revision, (names) =>
      retracted ? {} : aggregate(names, readings, span, before, this.#options.course),
    );
  }

  #textOf({ endUs, readings, before }: Session): string {
    const known = this.#options.course.matters ? `after ${before?.arrival}` : "";
    return `${endUs} ${readings.map(({ arrival }) => arrival).join(" ")} ${known}`;
  }
}
