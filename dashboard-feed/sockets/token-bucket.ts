/** Allows a burst of `capacity`, and `perSecond` tokens a second on average. */
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

  /** Takes one token; false if the bucket is empty. */
  take(nowMs: number): boolean {
    const earned = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#capacity, this.#left + Math.max(0, earned));
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
