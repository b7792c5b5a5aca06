import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 20;

/** The time from each disturbance until acknowledgements come again. One that follows too soon extends the first. */
export class Recoveries {
  readonly #acknowledged: () => number;
  readonly #timer: NodeJS.Timeout;
  #open: { readonly atMs: number; readonly from: number } | undefined;
  readonly tookMs: number[] = [];

  constructor(acknowledged: () => number) {
    this.#acknowledged = acknowledged;
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  /** After the disturbance, which began at `atMs`: what was acknowledged by now does not count. */
  begin(atMs: number): void {
    this.#open ??= { atMs, from: this.#acknowledged() };
  }

  /** Resolves once acknowledgements come again, or after this time. */
  async ended(msMax: number): Promise<void> {
    const untilMs = performance.now() + msMax;
    while (this.#open !== undefined && performance.now() < untilMs) await sleep(POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#open === undefined || this.#acknowledged() === this.#open.from) return;
    this.tookMs.push(performance.now() - this.#open.atMs);
    this.#open = undefined;
  }
}
