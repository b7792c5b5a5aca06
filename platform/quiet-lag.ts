import type { Gauge } from "prom-client";

const QUIET_MS = 3_000;

/**
 * A lag that is measured with each batch of work, and is zero once nothing has come for a while: the last measure
 * would otherwise stand until the next batch, perhaps for hours.
 */
export class QuietLag<Label extends string> {
  readonly #gauge: Gauge<Label>;
  readonly #quietMs: number;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** `gauge` has one label. */
  constructor(gauge: Gauge<Label>, quietMs = QUIET_MS) {
    this.#gauge = gauge;
    this.#quietMs = quietMs;
  }

  measured(value: string, seconds: number): void {
    this.#set(value, seconds);
    const timer = this.#timers.get(value);
    if (timer === undefined) this.#timers.set(value, setTimeout(() => this.#set(value, 0), this.#quietMs).unref());
    else timer.refresh();
  }

  #set(value: string, seconds: number): void {
    this.#gauge.labels(value).set(seconds);
  }
}
