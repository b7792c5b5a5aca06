import { setImmediate as nextTurn } from "node:timers/promises";

const SLICE_MS = 8;

/** Keeps long work from blocking the event loop: call `await slice.rest()` between its pieces whenever it is `over`. */
export class TimeSlice {
  #sinceMs = performance.now();
  #earlierMs = 0;

  get over(): boolean {
    return performance.now() - this.#sinceMs > SLICE_MS;
  }

  /** How long the work has taken, without its rests. */
  get busyMs(): number {
    return this.#earlierMs + performance.now() - this.#sinceMs;
  }

  async rest(): Promise<void> {
    this.#earlierMs = this.busyMs;
    await nextTurn();
    this.#sinceMs = performance.now();
  }
}
