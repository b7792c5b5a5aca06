import { TimerHeap } from "../state/timer-heap.ts";
import type { Keyed } from "../windows/windows.ts";

/** The keys of an input, each with a timer for its next due time. */
export interface TimedKeys {
  readonly keyed: Keyed;
  /** Keys have numbers below this. */
  readonly keyCount: number;
  /** The timer number of each key. */
  readonly timers: number[];
  /** The index of the input in its rule set. */
  readonly index: number;
}

const KEYS_PER_INPUT_MAX = 2 ** 32;

/**
 * The timers of all keys of all inputs. Timers of one instant are ordered by input, then by key, and never by
 * creation.
 */
export class KeyTimers<Owner extends TimedKeys = TimedKeys> {
  readonly #heap = new TimerHeap();
  #ownerOf: Owner[] = [];
  #keyOf: number[] = [];

  /** The processing time of the earliest timer; Infinity if none is set. */
  get nextDueUs(): number {
    return this.#heap.nextDueUs;
  }

  /** Creates a timer, not set yet, and returns its number. */
  add(owner: Owner, key: number): number {
    this.#ownerOf.push(owner);
    const timer = this.#keyOf.push(key) - 1;
    this.#heap.register(timer, owner.index * KEYS_PER_INPUT_MAX + key);
    return timer;
  }

  /** Sets, moves or (with Infinity) stops a timer. */
  set(timer: number, dueUs: number): void {
    this.#heap.set(timer, dueUs);
  }

  /** The owner of the key whose timer is due first. */
  get next(): Owner {
    return this.#ownerOf[this.#heap.next] as Owner;
  }

  /** Advances the key whose timer is due first. Time passes until `nowUs`. */
  advance(nowUs: number): void {
    const heap = this.#heap;
    const timer = heap.next;
    const { keyed } = this.#ownerOf[timer] as Owner;
    const key = this.#keyOf[timer] as number;
    keyed.advance(key, heap.nextDueUs, nowUs);
    heap.set(timer, keyed.dueUs(key));
  }

  /** Replaces all timers with those of these inputs. */
  reset(owners: readonly Owner[]): void {
    this.#heap.clear();
    this.#ownerOf = [];
    this.#keyOf = [];
    for (const owner of owners) {
      const { keyed, timers, keyCount } = owner;
      timers.length = 0;
      for (let key = 0; key < keyCount; key++) timers.push(this.add(owner, key));
      for (const [key, timer] of timers.entries()) this.#heap.set(timer, keyed.dueUs(key));
    }
  }
}
