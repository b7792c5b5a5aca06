import { setImmediate as nextTurn } from "node:timers/promises";

const SLICE_MS = 8;

/** Keeps long work from blocking the event loop: call `await slice.rest()` between its pieces whenever it is `over`. */
export class TimeSlice {
  #sinceMs = performance.now();

  get over(): boolean {
    return performance.now() - this.#sinceMs > SLICE_MS;
  }

  async rest(): Promise<void> {
    await nextTurn();
    this.#sinceMs = performance.now();
  }
}
