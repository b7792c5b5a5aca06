/** Allows `capacity` at once, and `perSecond` a second in the long run. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  constructor(options: { readonly capacity: number; readonly perSecond: number; readonly nowMs: number }) {
    this.#capacity = options.capacity;
    this.#perSecond = options.perSecond;
    this.#left = options.capacity;
    this.#atMs = options.nowMs;
  }

  /** Takes one token; false when there is none left. */
  take(nowMs: number): boolean {
    const earned = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#capacity, this.#left + Math.max(0, earned));
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
