/** Where the frames of a queue are in the stream: rising sequences. */
export class FrameIndex {
  #sequences: number[] = [];
  /** Those before it are dropped. */
  #first = 0;
  /** From before the start, until all of them are known. */
  #older: number[] = [];

  get size(): number {
    return this.#sequences.length - this.#first;
  }

  add(sequence: number): void {
    if (sequence > (this.#sequences.at(-1) ?? 0)) this.#sequences.push(sequence);
  }

  addOlder(sequence: number): void {
    this.#older.push(sequence);
  }

  /** All older ones were added. */
  completed(): void {
    if (this.#older.length === 0) return;
    this.#sequences = [...this.#older, ...this.#sequences.slice(this.#first)];
    this.#older = [];
    this.#first = 0;
  }

  /** The next ones after a sequence, at most `max`. */
  after(sequence: number, max: number): readonly number[] {
    const from = this.#placeAfter(sequence);
    return this.#sequences.slice(from, from + max);
  }

  /** Forgets frames up to a sequence; returns how many. */
  dropUpTo(sequence: number): number {
    const before = this.#first;
    this.#first = this.#placeAfter(sequence);
    const dropped = this.#first - before;
    if (this.#first * 2 > this.#sequences.length) {
      this.#sequences = this.#sequences.slice(this.#first);
      this.#first = 0;
    }
    return dropped;
  }

  #placeAfter(sequence: number): number {
    let low = this.#first;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sequences[middle] ?? 0) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
