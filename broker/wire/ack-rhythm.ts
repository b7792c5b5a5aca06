/** A publisher that waits for each acknowledgement answers one within this time, on a local network. */
const ALONE_MS_MAX = 10;
/** With several in flight, the freed places are filled at once. */
const FULL_MS_MAX = 5;

/**
 * Guesses whether a publisher waits for acknowledgements: it has as many messages in flight as it ever has, and the
 * newest of them follows an acknowledgement closely. A sensor that publishes by its clock does neither.
 */
export class AckRhythm {
  /** The most messages in flight; less by one whenever fewer were in flight until none was. */
  #most = 1;
  /** The most since none was in flight. */
  #peak = 0;
  #acknowledgedAtMs = Number.NEGATIVE_INFINITY;

  /** A message came; `unacknowledged` counts it. Returns whether its publisher probably waits for acknowledgements. */
  sent(unacknowledged: number, nowMs: number): boolean {
    this.#peak = Math.max(this.#peak, unacknowledged);
    this.#most = Math.max(this.#most, unacknowledged);
    const sinceMs = nowMs - this.#acknowledgedAtMs;
    return unacknowledged >= this.#most && sinceMs <= (this.#most === 1 ? ALONE_MS_MAX : FULL_MS_MAX);
  }

  /** Messages were acknowledged. */
  acknowledged(unacknowledged: number, nowMs: number): void {
    this.#acknowledgedAtMs = nowMs;
    if (unacknowledged > 0) return;
    this.#most = Math.max(1, this.#peak, this.#most - 1);
    this.#peak = 0;
  }
}
