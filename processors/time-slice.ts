const SLICE_MS = 8;

/**
 * Who rests, in order. Only one goes on in a turn of the event loop: what arrives in between, such as the log's answer
 * to a save, waits for one slice and not for a slice of every task.
 */
const resting: (() => void)[] = [];

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    resting.push(resolve);
    if (resting.length === 1) setImmediate(wakeOne);
  });
}

function wakeOne(): void {
  resting.shift()?.();
  if (resting.length > 0) setImmediate(wakeOne);
}

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
