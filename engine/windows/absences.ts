import { grown } from "../../domain/grown.ts";
import type { Calendar } from "../../rule-language/calendar/calendar.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { type Fate, type Keyed, LEFT_OUT } from "./windows.ts";

/**
 * The time since the last reading, in processing time. `watchedUs` excludes unwatched time and time in which the rule
 * was not active.
 */
export interface Silence {
  readonly sinceUs: number;
  readonly atUs: number;
  readonly watchedUs: number;
}

/**
 * Called when a key has been silent for too long, and again at its next reading. Returns whether to call it for the
 * next reading, too.
 */
export type OnAbsence = (key: number, isAbsent: boolean, silence: Silence) => boolean;

const ARRIVED = 0;
/** The start of the counted silence, the silence counted before it, and the unwatched time that had passed by then. */
const COUNTED_FROM = 1;
const COUNTED = 2;
const UNWATCHED_THEN = 3;
/** Whether the key is absent, and whether a rule waits for its next reading. */
const ABSENT = 4;
const AWAITED = 5;
const STRIDE = 6;

/** Detects keys without readings for some processing time. Unwatched time does not count. */
export class Absences implements Keyed {
  readonly #afterUs: number;
  readonly #active: Calendar | undefined;
  readonly #onAbsence: OnAbsence;
  #keys: Float64Array = new Float64Array(0);
  #keyCount = 0;
  /** Unwatched time that would have counted if it had been watched. */
  #unwatchedUs = 0;
  /** The end of the newest unwatched time. */
  #unwatchedUntilUs = Number.NEGATIVE_INFINITY;

  constructor(spec: { readonly afterUs: number; readonly active: Calendar | undefined }, onAbsence: OnAbsence) {
    this.#afterUs = spec.afterUs;
    this.#active = spec.active;
    this.#onAbsence = onAbsence;
  }

  /** Excludes this time from silence. */
  passUnwatched(fromUs: number, untilUs: number): void {
    this.#unwatchedUs += this.#countable(fromUs, untilUs);
    this.#unwatchedUntilUs = untilUs;
  }

  addKey(key: number): void {
    this.#keyCount = Math.max(this.#keyCount, key + 1);
    this.#keys = grown(this.#keys, this.#keyCount * STRIDE);
    this.#keys[key * STRIDE + ARRIVED] = Number.POSITIVE_INFINITY;
    this.#keys[key * STRIDE + COUNTED_FROM] = Number.POSITIVE_INFINITY;
    this.#keys[key * STRIDE + COUNTED] = 0;
    this.#keys[key * STRIDE + ABSENT] = 0;
    this.#keys[key * STRIDE + UNWATCHED_THEN] = 0;
    this.#keys[key * STRIDE + AWAITED] = 0;
  }

  freeKey(key: number): void {
    this.addKey(key);
  }

  /** Continues a silence that another object has measured, unless this one already measures the key. */
  adopt(key: number, from: Absences, fromKey: number, nowUs: number): void {
    const o = key * STRIDE;
    const other = fromKey * STRIDE;
    if (this.#keys[o + ARRIVED] === Number.POSITIVE_INFINITY) {
      this.#keys.set(from.#keys.subarray(other, other + ABSENT), o);
      this.#keys[o + UNWATCHED_THEN] =
        this.#unwatchedUs - (from.#unwatchedUs - (from.#keys[other + UNWATCHED_THEN] as number));
      const isHeard = this.#keys[o + ARRIVED] !== Number.POSITIVE_INFINITY;
      if (isHeard) {
        // Silence that has counted stays counted, and nothing is due before the edit.
        this.#keys[o + COUNTED] = from.silence(fromKey, nowUs).watchedUs;
        this.#keys[o + COUNTED_FROM] = nowUs;
        this.#keys[o + UNWATCHED_THEN] = this.#unwatchedUs;
      }
    }
    if (from.#keys[other + ABSENT] === 1 || from.#keys[other + AWAITED] === 1) this.#keys[o + AWAITED] = 1;
  }

  add(key: number, _atUs: number, _value: number, _text: string | undefined, nowUs: number): Fate {
    const o = key * STRIDE;
    const isAwaited = this.#keys[o + ABSENT] === 1 || this.#keys[o + AWAITED] === 1;
    const silence = isAwaited ? this.silence(key, nowUs) : undefined;
    this.#keys[o + ARRIVED] = nowUs;
    this.#keys[o + COUNTED_FROM] = nowUs;
    this.#keys[o + COUNTED] = 0;
    this.#keys[o + UNWATCHED_THEN] = this.#unwatchedUs;
    if (silence) {
      this.#keys[o + ABSENT] = 0;
      this.#keys[o + AWAITED] = this.#onAbsence(key, false, silence) ? 1 : 0;
    }
    return LEFT_OUT;
  }

  silence(key: number, atUs: number): Silence {
    const o = key * STRIDE;
    // Within unwatched time, only what came before it counts.
    const untilUs = Math.max(atUs, this.#unwatchedUntilUs);
    const countedUs = this.#countable(this.#keys[o + COUNTED_FROM] as number, untilUs) - this.#unwatchedSince(o);
    return {
      sinceUs: this.#keys[o + ARRIVED] as number,
      atUs,
      watchedUs: (this.#keys[o + COUNTED] as number) + countedUs,
    };
  }

  dueUs(key: number): number {
    const o = key * STRIDE;
    if (this.#keys[o + ABSENT] === 1) return Number.POSITIVE_INFINITY;
    const fromUs = this.#keys[o + COUNTED_FROM] as number;
    const leftUs = Math.max(0, this.#afterUs - (this.#keys[o + COUNTED] as number)) + this.#unwatchedSince(o);
    return this.#active === undefined ? fromUs + leftUs : this.#active.after(fromUs, leftUs);
  }

  advance(key: number, dueUs: number): void {
    const o = key * STRIDE;
    if (this.dueUs(key) > dueUs) return;
    this.#keys[o + ABSENT] = 1;
    this.#onAbsence(key, true, this.silence(key, dueUs));
  }

  /** The key is known to be silent from now on. Its silence is as long as it is. */
  leave(key: number, nowUs: number): void {
    const o = key * STRIDE;
    if (this.#keys[o + ABSENT] === 1 || this.#keys[o + ARRIVED] === Number.POSITIVE_INFINITY) return;
    // Outside of its hours, the rule waits as for any other silence.
    if (this.#active !== undefined && !this.#active.isActive(nowUs)) return;
    this.#keys[o + ABSENT] = 1;
    this.#onAbsence(key, true, this.silence(key, nowUs));
  }

  snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#unwatchedUs);
    to.doubles(this.#keys.subarray(0, this.#keyCount * STRIDE));
    return [];
  }

  restore(from: SnapshotReader): void {
    this.#unwatchedUs = from.number();
    this.#keys = from.doubles();
    this.#keyCount = this.#keys.length / STRIDE;
  }

  #unwatchedSince(o: number): number {
    return this.#unwatchedUs - (this.#keys[o + UNWATCHED_THEN] as number);
  }

  #countable(fromUs: number, untilUs: number): number {
    return this.#active === undefined ? untilUs - fromUs : this.#active.activeUs(fromUs, untilUs);
  }
}
