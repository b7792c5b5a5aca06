/** A publisher that waits for each acknowledgement answers one within this time, on a local network. */
const ALONE_MS_MAX = 10;
/** With several in flight, the freed places are filled at once. */
const FULL_MS_MAX = 5;

/**
 * Guesses whether a publisher waits for acknowledgements: it has as many messages in flight as it ever has, and the
 * newest of them follows an acknowledgement closely. A sensor that publishes by its clock does neither.
 */
export class AckRhythm {
  readonly #nowMs: () => number;
  #unacknowledged = 0;
  /** The most messages in flight; less by one whenever fewer were in flight until none was. */
  #most = 1;
  /** The most since none was in flight. */
  #peak = 0;
  #acknowledgedAtMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** A message came. Returns whether its publisher probably waits for acknowledgements. */
  sent(): boolean {
    const unacknowledged = ++this.#unacknowledged;
    this.#peak = Math.max(this.#peak, unacknowledged);
    this.#most = Math.max(this.#most, unacknowledged);
    if (unacknowledged < this.#most) return false;
    return this.#nowMs() - this.#acknowledgedAtMs <= (this.#most === 1 ? ALONE_MS_MAX : FULL_MS_MAX);
  }

  /** The oldest message was acknowledged. */
  acknowledged(): void {
    this.#unacknowledged--;
    this.#acknowledgedAtMs = this.#nowMs();
    if (this.#unacknowledged > 0) return;
    this.#most = Math.max(1, this.#peak, this.#most - 1);
    this.#peak = 0;
  }
}
