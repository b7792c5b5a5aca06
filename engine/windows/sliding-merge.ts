import type { RecordPool } from "./record-pool.ts";

/** The readings of one observation time, and the window that ends with it. */
export interface Instant {
  readonly atUs: number;
  /** Its own readings. */
  readonly record: number;
  /**
   * A merged record; -1 if none. Before the split: of this instant and later ones, up to the split. From the split on:
   * of the instants from the split up to this one.
   */
  suffix: number;
  revision: number;
  dirty: boolean;
}

/** At most this part of a window is left behind a split. */
const MARGIN_PARTS = 3;

/**
 * Merges the instants of one key's sliding windows at an amortized cost of three merges per window. Each instant
 * before a split has its suffix merged up to the split; each one from the split on has its prefix merged from there (the
 * two stacks of Tangwongsan, Hirzel, Schneider: "In-Order Sliding-Window Aggregation in Worst-Case Constant Time", 2021).
 * A late instant from the split on changes only the prefixes behind it.
 */
export class SlidingMerge {
  readonly #pool: RecordPool;
  readonly #instants: readonly Instant[];
  readonly #sizeUs: number;
  #first = 0;
  /** The split: earlier instants have their suffixes merged up to it. */
  #split = 0;
  /** The first instant whose suffix reaches up to this split. */
  #oldest = 0;
  /** Prefixes are merged for the instants before this one. */
  #merged = 0;
  #isValid = true;
  /** How many of the newest windows were corrected at once, so that the next split is before them. */
  #margin = 0;

  constructor(pool: RecordPool, instants: readonly Instant[], sizeUs: number, snapshot?: readonly number[]) {
    this.#pool = pool;
    this.#instants = instants;
    this.#sizeUs = sizeUs;
    if (snapshot === undefined) return;
    const [first = 0, split = 0, back = -1, isValid = 1, oldest, merged, margin] = snapshot;
    this.#first = first;
    this.#split = split;
    this.#oldest = oldest ?? 0;
    this.#merged = merged ?? 0;
    this.#margin = margin ?? 0;
    // A version without prefixes kept one record behind the split.
    this.#isValid = isValid === 1 && merged !== undefined;
    if (back !== -1) pool.release(back);
  }

  /** The merged record of the window that ends with this instant. Must be called in the order of windows. */
  close(place: number): number {
    if (!this.#isValid) this.#first = 0;
    const afterUs = this.#at(place).atUs - this.#sizeUs;
    while (this.#at(this.#first).atUs <= afterUs) this.#first++;
    if (!this.#isValid || this.#first >= this.#split) this.#rebuild(place);
    return place < this.#split ? this.#at(this.#first).suffix : this.#join(this.#first, place);
  }

  /**
   * The same for a window that has closed before; -1 if it takes more than a merge of what is merged. `newest`: the
   * newest window that has closed.
   */
  window(place: number, newest: number): number {
    const first = this.firstOf(place);
    if (this.#isValid && first >= this.#oldest && first < this.#split && place >= this.#split)
      return this.#join(first, place);
    this.#margin = Math.max(this.#margin, newest - place + 1);
    return -1;
  }

  /** The first instant of the window that ends with this one. */
  firstOf(place: number): number {
    const afterUs = this.#at(place).atUs - this.#sizeUs;
    let low = 0;
    let high = place;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).atUs <= afterUs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Call after the instant at this place, of which a window has closed, was inserted or got another reading. */
  changed(place: number, isNew: boolean): void {
    if (!this.#isValid) return;
    if (place >= this.#split) {
      this.#merged = Math.min(this.#merged, place);
      return;
    }
    if (isNew) {
      this.#split++;
      this.#merged++;
      if (place < this.#first) this.#first++;
      if (place < this.#oldest) this.#oldest++;
    }
    if (place < this.#oldest) return;
    if (place < this.#first) {
      this.#oldest = place + 1;
      return;
    }
    this.#oldest = this.#first;
    for (let i = place; i >= this.#first; i--) this.#mergeSuffix(i, this.#split - 1);
  }

  /** Call after the records of instants were used for other merges. */
  invalidate(): void {
    this.#isValid = false;
  }

  /** Call after the oldest `gone` instants were removed. */
  shifted(gone: number): void {
    this.#first = Math.max(0, this.#first - gone);
    this.#split = Math.max(0, this.#split - gone);
    this.#oldest = Math.max(0, this.#oldest - gone);
    this.#merged = Math.max(0, this.#merged - gone);
  }

  snapshot(): readonly number[] {
    const isValid = this.#isValid ? 1 : 0;
    return [this.#first, this.#split, -1, isValid, this.#oldest, this.#merged, this.#margin];
  }

  #join(first: number, place: number): number {
    for (; this.#merged <= place; this.#merged++) this.#mergePrefix(this.#merged);
    const { accumulators } = this.#pool;
    accumulators.copy(0, this.#at(first).suffix);
    accumulators.merge(0, this.#at(place).suffix);
    return 0;
  }

  #rebuild(last: number): void {
    const margin = Math.min(this.#margin, Math.floor((last - this.#first + 1) / MARGIN_PARTS));
    this.#split = last + 1 - margin;
    this.#merged = this.#split;
    this.#oldest = Math.max(0, this.#first - margin);
    for (let i = this.#split - 1; i >= this.#oldest; i--) this.#mergeSuffix(i, this.#split - 1);
    this.#isValid = true;
  }

  #mergeSuffix(place: number, last: number): void {
    const { accumulators } = this.#pool;
    const instant = this.#withRecord(place);
    accumulators.copy(instant.suffix, instant.record);
    if (place < last) accumulators.merge(instant.suffix, this.#at(place + 1).suffix);
  }

  #mergePrefix(place: number): void {
    const { accumulators } = this.#pool;
    const instant = this.#withRecord(place);
    if (place === this.#split) {
      accumulators.copy(instant.suffix, instant.record);
      return;
    }
    accumulators.copy(instant.suffix, this.#at(place - 1).suffix);
    accumulators.merge(instant.suffix, instant.record);
  }

  /** The instant, with a record for merging. */
  #withRecord(place: number): Instant {
    const instant = this.#at(place);
    if (instant.suffix === -1) instant.suffix = this.#pool.take();
    return instant;
  }

  #at(place: number): Instant {
    const instant = this.#instants[place];
    if (instant === undefined) throw new RangeError(`no instant ${place} of ${this.#instants.length}`);
    return instant;
  }
}
