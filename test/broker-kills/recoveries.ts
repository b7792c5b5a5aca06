import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 20;

/** The time from each disturbance until acknowledgements come again. One that follows too soon extends the first. */
export class Recoveries {
  readonly #acknowledged: () => number;
  readonly #timer: NodeJS.Timeout;
  #open: { readonly atMs: number; readonly from: number; isOne: boolean } | undefined;
  readonly tookMs: number[] = [];
  /** Of those that no other followed before they ended. */
  readonly aloneMs: number[] = [];

  constructor(acknowledged: () => number) {
    this.#acknowledged = acknowledged;
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  /** After the disturbance, which began at `atMs`: what was acknowledged by now does not count. */
  begin(atMs: number): void {
    if (this.#open !== undefined) this.#open.isOne = false;
    this.#open ??= { atMs, from: this.#acknowledged(), isOne: true };
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
    const tookMs = performance.now() - this.#open.atMs;
    this.tookMs.push(tookMs);
    if (this.#open.isOne) this.aloneMs.push(tookMs);
    this.#open = undefined;
  }
}
