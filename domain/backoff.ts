export interface BackoffLimits {
  /** The longest first wait. */
  readonly firstMs: number;
  /** The longest wait of all. */
  readonly maxMs: number;
}

/**
 * Waits between attempts: each is up to twice as long as the one before, up to a cap. Half of it is fixed and half
 * random ("equal jitter"), so that clients that failed together do not return together. It only computes the waits:
 * see `sleep`.
 */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #ceilingMs: number;

  /** `random`: from 0 to 1, such as `Math.random`. */
  constructor(limits: BackoffLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
    this.#ceilingMs = Math.min(limits.firstMs, limits.maxMs);
  }

  /** How long to wait before the next attempt; at least `leastMs`, for a server that asks for a pause. */
  nextMs(leastMs = 0): number {
    const waitMs = this.#ceilingMs * (0.5 + this.#random() / 2);
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, this.#limits.maxMs);
    return Math.max(leastMs, waitMs);
  }

  /** An attempt succeeded: the next wait is short again. */
  reset(): void {
    this.#ceilingMs = Math.min(this.#limits.firstMs, this.#limits.maxMs);
  }
}
