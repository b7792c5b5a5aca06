/** A frame in the stream, and what its head says. */
export interface Place {
  readonly sequence: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Where the frames of a queue are in the stream: rising sequences. Numbers alone, for there may be millions. */
export class FrameIndex {
  #sequences: number[] = [];
  /** By the same place; 0 messages: unknown. */
  #messages: number[] = [];
  #bytes: number[] = [];
  /** Those before it are dropped. */
  #first = 0;
  /** From before the start, until all of them are known. */
  #older: number[] = [];

  get size(): number {
    return this.#sequences.length - this.#first;
  }

  add({ sequence, messages, bytes }: Place): void {
    if (sequence <= (this.#sequences.at(-1) ?? 0)) return;
    this.#sequences.push(sequence);
    this.#messages.push(messages);
    this.#bytes.push(bytes);
  }

  addOlder(sequence: number): void {
    this.#older.push(sequence);
  }

  /** All older ones were added. */
  completed(): void {
    if (this.#older.length === 0) return;
    this.#forgetDropped();
    const unknown = this.#older.map(() => 0);
    this.#sequences = [...this.#older, ...this.#sequences];
    this.#messages = [...unknown, ...this.#messages];
    this.#bytes = [...unknown, ...this.#bytes];
    this.#older = [];
  }

  /** The next ones after a sequence, at most `max`. */
  after(sequence: number, max: number): readonly number[] {
    const from = this.#placeAfter(sequence);
    return this.#sequences.slice(from, from + max);
  }

  /** The next one after a sequence. Undefined: there is none, or what its head says is not known. */
  next(sequence: number): Place | undefined {
    const at = this.#placeAfter(sequence);
    const messages = this.#messages[at] ?? 0;
    return messages === 0 ? undefined : { sequence: this.#sequences[at] ?? 0, messages, bytes: this.#bytes[at] ?? 0 };
  }

  /** Forgets frames up to a sequence; returns how many. */
  dropUpTo(sequence: number): number {
    const before = this.#first;
    this.#first = this.#placeAfter(sequence);
    const dropped = this.#first - before;
    if (this.#first * 2 > this.#sequences.length) this.#forgetDropped();
    return dropped;
  }

  #forgetDropped(): void {
    this.#sequences = this.#sequences.slice(this.#first);
    this.#messages = this.#messages.slice(this.#first);
    this.#bytes = this.#bytes.slice(this.#first);
    this.#first = 0;
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
