import { grown } from "../grown.ts";
import type { SnapshotReader, SnapshotWriter } from "../snapshot-io.ts";
import { type Fate, type Keyed, ON_TIME } from "./windows.ts";

/** From the last reading on, in processing time; less the time in which nobody watched. */
export interface Silence {
  readonly sinceUs: number;
  readonly atUs: number;
  readonly watchedUs: number;
}

/** Told when a key has been silent for too long, and when it speaks again. */
export type OnAbsence = (key: number, isAbsent: boolean, silence: Silence) => void;

const ARRIVED = 0;
/** The blind time that had passed when the newest reading came. */
const BLIND_THEN = 1;
/** Whether the silence was told, and whether somebody else waits for it to end. */
const TOLD = 2;
const AWAITED = 3;
const STRIDE = 4;

/** Notices keys that have no readings for some (processing) time. Time in which nobody watched does not count. */
export class Absences implements Keyed {
  readonly #afterUs: number;
  readonly #onAbsence: OnAbsence;
  #keys: Float64Array = new Float64Array(0);
  #keyCount = 0;
  #blindUs = 0;

  constructor(afterUs: number, onAbsence: OnAbsence) {
    this.#afterUs = afterUs;
    this.#onAbsence = onAbsence;
  }

  /** Blind time in all, so far. */
  setBlind(blindUs: number): void {
    this.#blindUs = blindUs;
  }

  addKey(): number {
    const key = this.#keyCount++;
    this.#keys = grown(this.#keys, this.#keyCount * STRIDE);
    this.#keys[key * STRIDE + ARRIVED] = Number.POSITIVE_INFINITY;
    this.#keys[key * STRIDE + TOLD] = 0;
    this.#keys[key * STRIDE + AWAITED] = 0;
    return key;
  }

  /** Goes on with a silence that another has measured so far, unless it measures that key's itself. */
  adopt(key: number, from: Absences, fromKey: number): void {
    const o = key * STRIDE;
    const other = fromKey * STRIDE;
    if (this.#keys[o + ARRIVED] === Number.POSITIVE_INFINITY) {
      this.#keys.set(from.#keys.subarray(other, other + TOLD), o);
    }
    if (from.#keys[other + TOLD] === 1 || from.#keys[other + AWAITED] === 1) this.#keys[o + AWAITED] = 1;
  }

  add(key: number, _atUs: number, _value: number, _text: string | undefined, nowUs: number): Fate {
    const o = key * STRIDE;
    const silence = this.silence(key, nowUs);
    this.#keys[o + ARRIVED] = nowUs;
    this.#keys[o + BLIND_THEN] = this.#blindUs;
    if (this.#keys[o + TOLD] === 1 || this.#keys[o + AWAITED] === 1) {
      this.#keys[o + TOLD] = 0;
      this.#keys[o + AWAITED] = 0;
      this.#onAbsence(key, false, silence);
    }
    return ON_TIME;
  }

  silence(key: number, atUs: number): Silence {
    const o = key * STRIDE;
    const sinceUs = this.#keys[o + ARRIVED] as number;
    return { sinceUs, atUs, watchedUs: atUs - sinceUs - (this.#blindUs - (this.#keys[o + BLIND_THEN] as number)) };
  }

  dueUs(key: number): number {
    const o = key * STRIDE;
    if (this.#keys[o + TOLD] === 1) return Number.POSITIVE_INFINITY;
    const blindUs = this.#blindUs - (this.#keys[o + BLIND_THEN] as number);
    return (this.#keys[o + ARRIVED] as number) + blindUs + this.#afterUs;
  }

  advance(key: number, dueUs: number): void {
    const o = key * STRIDE;
    if (this.dueUs(key) > dueUs) return;
    this.#keys[o + TOLD] = 1;
    this.#onAbsence(key, true, this.silence(key, dueUs));
  }

  snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.doubles(this.#keys.subarray(0, this.#keyCount * STRIDE));
    return [];
  }

  restore(from: SnapshotReader): void {
    this.#keys = from.doubles();
    this.#keyCount = this.#keys.length / STRIDE;
  }
}
