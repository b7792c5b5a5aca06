/** Growing pauses with jitter, ended at once by an abort. */
export class Backoff {
  readonly #limits: { readonly firstMs: number; readonly maxMs: number };
  readonly #signal: AbortSignal;
  #nextMs: number;

  constructor(limits: { readonly firstMs: number; readonly maxMs: number }, signal: AbortSignal) {
    this.#limits = limits;
    this.#signal = signal;
    this.#nextMs = limits.firstMs;
  }

  /** At least `leastMs`, when the other side asked for that. */
  async wait(leastMs = 0): Promise<void> {
    // Half fixed, half random: those who failed together do not come back together.
    const pauseMs = this.#nextMs * (0.5 + Math.random() / 2);
    this.#nextMs = Math.min(this.#nextMs * 2, this.#limits.maxMs);
    await pause(Math.max(leastMs, pauseMs), this.#signal);
  }
}

/** Resolves after the time, or when aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
