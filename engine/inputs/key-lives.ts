import { TimerHeap } from "../state/timer-heap.ts";

/** Keys that are forgotten when they have been silent for too long. */
export interface MortalKeys {
  /** The index among all owners, in the order of the rule set. */
  readonly order: number;
  /** How long a key is kept without readings. */
  readonly forgetUs: number;
  /** By key: the number of its timer. A key's number keeps its timer when it is used again. */
  readonly lives: number[];
  keyNumbers(): Iterable<number>;
  /** The processing time of the key's newest reading. */
  heardUs(key: number): number;
  /** Emits the end of the key's alerts, and drops everything about it. */
  forget(key: number, atUs: number): void;
}

const KEYS_PER_OWNER_MAX = 2 ** 32;

/**
 * Finds the keys to forget without visiting the others: each has a timer that is not moved by its readings. When it
 * is due and the key was heard in the meantime, it is set again. So a key costs one visit in each forget time.
 */
export class KeyLives {
  readonly #heap = new TimerHeap();
  #ownerOf: MortalKeys[] = [];
  #keyOf: number[] = [];

  /** No key is forgotten before this. */
  get nextUs(): number {
    return this.#heap.nextDueUs;
  }

  begin(owner: MortalKeys, key: number): void {
    let timer = owner.lives[key];
    if (timer === undefined) {
      timer = this.#ownerOf.push(owner) - 1;
      owner.lives[key] = timer;
      this.#keyOf.push(key);
      this.#heap.register(timer, owner.order * KEYS_PER_OWNER_MAX + key);
    }
    this.#heap.set(timer, owner.heardUs(key) + owner.forgetUs);
  }

  /** Call when a key ends in another way. */
  end(owner: MortalKeys, key: number): void {
    this.#heap.set(owner.lives[key] as number, Number.POSITIVE_INFINITY);
  }

  /** Forgets the first key whose timer is due, or sets the timer again. `fromUs`: keys are forgotten at this or later. */
  advance(fromUs: number): void {
    const timer = this.#heap.next;
    const owner = this.#ownerOf[timer] as MortalKeys;
    const key = this.#keyOf[timer] as number;
    const dueUs = owner.heardUs(key) + owner.forgetUs;
    if (dueUs > this.#heap.nextDueUs) {
      this.#heap.set(timer, dueUs);
      return;
    }
    this.#heap.set(timer, Number.POSITIVE_INFINITY);
    owner.forget(key, Math.max(dueUs, fromUs));
  }

  /** Replaces all timers with those of these owners. */
  reset(owners: readonly MortalKeys[]): void {
    this.#heap.clear();
    this.#ownerOf = [];
    this.#keyOf = [];
    for (const owner of owners) {
      owner.lives.length = 0;
      for (const key of owner.keyNumbers()) this.begin(owner, key);
    }
  }
}
