export interface RateLimits {
  readonly messages_per_second_max: number;
  readonly bytes_per_second_max: number;
}

/**
 * How fast one client may publish: two token buckets that hold one second's worth. A message may overdraw the bytes,
 * so that one larger than a second's worth passes too.
 */
export class Rate {
  readonly #limits: RateLimits;
  #messages: number;
  #bytes: number;
  #filledAtMs = Number.NaN;

  constructor(limits: RateLimits) {
    this.#limits = limits;
    this.#messages = limits.messages_per_second_max;
    this.#bytes = limits.bytes_per_second_max;
  }

  messagesLeft(nowMs: number): number {
    const { messages_per_second_max, bytes_per_second_max } = this.#limits;
    const seconds = Math.max(0, nowMs - this.#filledAtMs) / 1_000 || 0;
    this.#filledAtMs = nowMs;
    this.#messages = Math.min(messages_per_second_max, this.#messages + seconds * messages_per_second_max);
    this.#bytes = Math.min(bytes_per_second_max, this.#bytes + seconds * bytes_per_second_max);
    return this.#bytes > 0 ? Math.floor(this.#messages) : 0;
  }

  take(bytes: number): void {
    this.#messages--;
    this.#bytes -= bytes;
  }

  /** What it has used up, as of the last `messagesLeft`. */
  get exceeded(): "messages" | "bytes" | undefined {
    if (this.#bytes <= 0) return "bytes";
    return this.#messages < 1 ? "messages" : undefined;
  }
}
