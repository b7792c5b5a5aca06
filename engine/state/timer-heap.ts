import { grown } from "../../domain/grown.ts";

const FIRST_CAPACITY = 256;

/**
 * Timers by number, earliest first. Ties are ordered by rank, so that the order is deterministic. A binary heap that
 * tracks the index of each timer, so that moving one allocates nothing.
 */
export class TimerHeap {
  #dueUs = new Float64Array(FIRST_CAPACITY).fill(Number.POSITIVE_INFINITY);
  #place = new Int32Array(FIRST_CAPACITY).fill(-1);
  #rank = new Float64Array(FIRST_CAPACITY);
  #heap = new Int32Array(FIRST_CAPACITY);
  #size = 0;

  /** The instant of the earliest timer; Infinity if there is none. */
  get nextDueUs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#dueUs[this.#heap[0] as number] as number);
  }

  /** The earliest timer. The heap must not be empty. */
  get next(): number {
    return this.#heap[0] as number;
  }

  /** Adds a timer that is not set yet. Ranks must be unique. */
  register(timer: number, rank: number): void {
    if (timer >= this.#dueUs.length) this.#grow(timer + 1);
    this.#rank[timer] = rank;
  }

  /** Sets, moves or (with Infinity) removes a timer. */
  set(timer: number, dueUs: number): void {
    const before = this.#dueUs[timer] as number;
    if (before === dueUs) return;
    this.#dueUs[timer] = dueUs;
    const place = this.#place[timer] as number;
    if (place < 0) {
      this.#heap[this.#size] = timer;
      this.#up(this.#size++, timer);
    } else if (dueUs === Number.POSITIVE_INFINITY) {
      this.#place[timer] = -1;
      const last = this.#heap[--this.#size] as number;
      if (last !== timer) this.#down(this.#up(place, last), last);
    } else if (dueUs < before) this.#up(place, timer);
    else this.#down(place, timer);
  }

  clear(): void {
    this.#dueUs.fill(Number.POSITIVE_INFINITY);
    this.#place.fill(-1);
    this.#size = 0;
  }

  #before(a: number, b: number): boolean {
    const dueA = this.#dueUs[a] as number;
    const dueB = this.#dueUs[b] as number;
    return dueA < dueB || (dueA === dueB && (this.#rank[a] as number) < (this.#rank[b] as number));
  }

  #up(from: number, timer: number): number {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent] as number;
      if (!this.#before(timer, above)) break;
      this.#heap[place] = above;
      this.#place[above] = place;
      place = parent;
    }
    this.#heap[place] = timer;
    this.#place[timer] = place;
    return place;
  }

  #down(from: number, timer: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#heap[child + 1] as number, this.#heap[child] as number)) child++;
      const below = this.#heap[child] as number;
      if (!this.#before(below, timer)) break;
      this.#heap[place] = below;
      this.#place[below] = place;
      place = child;
    }
    this.#heap[place] = timer;
    this.#place[timer] = place;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, this.#dueUs.length * 2);
    this.#dueUs = grown(this.#dueUs, capacity, Number.POSITIVE_INFINITY);
    this.#place = grown(this.#place, capacity, -1);
    this.#rank = grown(this.#rank, capacity);
    this.#heap = grown(this.#heap, capacity);
  }
}
