import type { Link } from "./link.ts";
import type { RateLimits } from "./rate.ts";

export interface RoomLimits extends RateLimits {
  readonly inflight_per_client_max: number;
  readonly inflight_size_per_client_max: number;
  readonly inflight_max: number;
  readonly inflight_size_max: number;
}

/**
 * Up to this share of a bound, each client may have twice of what is free, so that clients whose messages take long
 * leave room for the others. The rest is for clients that have nothing in flight.
 */
const FAIR_SHARE = 0.8;
const TIMES_FREE = 2;
/** A client near its share in bytes is read in steps, one message for each of these bytes. */
const STEP_BYTES = 4 * 1024;
/**
 * Reading resumes below this share of the bounds, and once a client may have twice as much as it has, so that reading
 * does not stop and restart for each message.
 */
const RESUME_ALL_SHARE = 0.9;

/** Bounds the messages in flight, of all clients together and of each (ADR 24). */
export class Room {
  readonly #limits: RoomLimits;
  #inflight = 0;
  #inflightBytes = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get inflight(): number {
    return this.#inflight;
  }

  get isFull(): boolean {
    const { inflight_max, inflight_size_max } = this.#limits;
    return this.#inflight >= inflight_max || this.#inflightBytes >= inflight_size_max;
  }

  add(bytes: number): void {
    this.#inflight++;
    this.#inflightBytes += bytes;
  }

  delete(bytes: number): void {
    this.#inflight--;
    this.#inflightBytes -= bytes;
  }

  /** How many PUBLISH packets the client may still send now. */
  publishesLeft(link: Link): number {
    const limits = this.#limits;
    if (this.#inflightBytes >= limits.inflight_size_max) return 0;
    // A client that does not read its acknowledgements gets no more of them.
    if (link.isSliceOver || link.conn.writableNeedDrain) return 0;
    const own = link.inflight;
    const bytesLeft = shareLeft({
      max: limits.inflight_size_max,
      used: this.#inflightBytes,
      ownMax: limits.inflight_size_per_client_max,
      own: link.inflightBytes,
    });
    if (own > 0 && bytesLeft <= 0) return 0;
    const countLeft = shareLeft({
      max: limits.inflight_max,
      used: this.#inflight,
      ownMax: limits.inflight_per_client_max,
      own,
    });
    const byBytes = Math.max(1, Math.floor(bytesLeft / STEP_BYTES));
    const byCount = Math.min(own === 0 ? Math.max(1, countLeft) : countLeft, limits.inflight_max - this.#inflight);
    return Math.max(0, Math.min(byCount, byBytes, link.rate.messagesLeft(performance.now())));
  }

  /** Whether a client that is not read may be read again. */
  allows(link: Link): boolean {
    if (link.isHeld) return false;
    link.isSliceOver = false;
    const limits = this.#limits;
    const left = this.publishesLeft(link);
    return (
      left > 0 &&
      left >= link.inflight &&
      this.#inflight <= limits.inflight_max * RESUME_ALL_SHARE &&
      this.#inflightBytes <= limits.inflight_size_max * RESUME_ALL_SHARE
    );
  }
}

/**
 * How much more one client may have in flight: what it has stays below `TIMES_FREE` times what is free afterwards,
 * however many clients do the same.
 */
function shareLeft({ max, used, ownMax, own }: { max: number; used: number; ownMax: number; own: number }): number {
  const fair = Math.floor((TIMES_FREE * (max * FAIR_SHARE - used) - own) / (TIMES_FREE + 1));
  return Math.min(ownMax - own, fair);
}
