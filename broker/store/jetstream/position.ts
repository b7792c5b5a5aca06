/** How far a stream was followed, for those who wait for a sequence. */
export class Position {
  #at = 0;
  #waiting: { readonly sequence: number; readonly resolve: () => void }[] = [];

  get at(): number {
    return this.#at;
  }

  reached(sequence: number): void {
    this.#at = Math.max(this.#at, sequence);
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((each) => each.sequence <= this.#at);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((each) => each.sequence > this.#at);
    for (const { resolve } of due) resolve();
  }

  /** At a sequence that the stream already has. */
  async wait(sequence: number): Promise<void> {
    if (sequence <= this.#at) return;
    await new Promise<void>((resolve) => this.#waiting.push({ sequence, resolve }));
  }

  /** All who wait go on. */
  end(): void {
    this.reached(Number.MAX_SAFE_INTEGER);
  }
}
