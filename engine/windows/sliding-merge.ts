import type { RecordPool } from "./record-pool.ts";

/** The readings of one observation time, and the window that ends with it. */
export interface Instant {
  readonly atUs: number;
  /** Its own readings. */
  readonly record: number;
  /** The record that merges this instant with later ones up to the split; -1 if none. */
  suffix: number;
  revision: number;
  dirty: boolean;
}

/**
 * Merges the instants of one key's sliding windows at an amortized cost of three merges per window. Each instant
 * before a split has its suffix merged up to the split; those after it are merged into one growing record (the two
 * stacks of Tangwongsan, Hirzel, Schneider: "In-Order Sliding-Window Aggregation in Worst-Case Constant Time", 2021).
 */
export class SlidingMerge {
  readonly #pool: RecordPool;
  readonly #instants: readonly Instant[];
  readonly #sizeUs: number;
  #first = 0;
  /** The split: earlier instants have their suffixes merged up to it. */
  #split = 0;
  /** The merged instants from the split on; -1 before the first. */
  #back = -1;
  #isValid = true;

  constructor(pool: RecordPool, instants: readonly Instant[], sizeUs: number, snapshot?: readonly number[]) {
    this.#pool = pool;
    this.#instants = instants;
    this.#sizeUs = sizeUs;
    if (snapshot === undefined) return;
    const [first = 0, split = 0, back = -1, isValid = 1] = snapshot;
    this.#first = first;
    this.#split = split;
    this.#back = back;
    this.#isValid = isValid === 1;
  }

  /** The merged record of the window that ends with this instant. Must be called in the order of windows. */
  close(place: number): number {
    const { accumulators } = this.#pool;
    if (this.#back === -1) this.#back = this.#pool.take();
    if (!this.#isValid) this.#first = 0;
    const afterUs = this.#at(place).atUs - this.#sizeUs;
    while (this.#at(this.#first).atUs <= afterUs) this.#first++;
    if (!this.#isValid || this.#first >= this.#split) {
      this.#rebuild(place);
      return this.#at(this.#first).suffix;
    }
    accumulators.merge(this.#back, this.#at(place).record);
    accumulators.clear(0, 0);
    accumulators.merge(0, this.#at(this.#first).suffix);
    accumulators.merge(0, this.#back);
    return 0;
  }

  /** The first instant of the window that was merged last. */
  get first(): number {
    return this.#first;
  }

  /** Call after a closed instant was changed or inserted. */
  changed(): void {
    this.#isValid = false;
  }

  /** Call after the oldest `gone` instants were removed. */
  shifted(gone: number): void {
    this.#first = Math.max(0, this.#first - gone);
    this.#split = Math.max(0, this.#split - gone);
  }

  /** Releases the record of its own. The object must not be used afterwards. */
  release(): void {
    if (this.#back !== -1) this.#pool.release(this.#back);
    this.#back = -1;
  }

  snapshot(): readonly number[] {
    return [this.#first, this.#split, this.#back, this.#isValid ? 1 : 0];
  }

  #rebuild(last: number): void {
    const { accumulators } = this.#pool;
    for (let i = last; i >= this.#first; i--) {
      const instant = this.#at(i);
      if (instant.suffix === -1) instant.suffix = this.#pool.take();
      else accumulators.clear(instant.suffix, 0);
      accumulators.merge(instant.suffix, instant.record);
      if (i < last) accumulators.merge(instant.suffix, this.#at(i + 1).suffix);
    }
    this.#split = last + 1;
    accumulators.clear(this.#back, 0);
    this.#isValid = true;
  }

  #at(place: number): Instant {
    const instant = this.#instants[place];
    if (instant === undefined) throw new RangeError(`no instant ${place} of ${this.#instants.length}`);
    return instant;
  }
}
