/**
 * Sends taken items one lot after another; items taken during a send go with later lots. After a failure it sends
 * nothing more: its owner restarts from what the log has.
 */
export class Pump {
  readonly #sendLot: () => Promise<number>;
  #taken = 0;
  #sent = 0;
  #running = false;
  #lot: Promise<number> = Promise.resolve(0);

  /** `sendLot` sends some of the taken items, in order, and resolves to their number. */
  constructor(sendLot: () => Promise<number>) {
    this.#sendLot = sendLot;
  }

  get waiting(): number {
    return this.#taken - this.#sent;
  }

  take(count: number): void {
    this.#taken += count;
    if (this.#running || this.waiting === 0) return;
    this.#running = true;
    // `drain` reports the failure; until then it must not count as unhandled.
    this.#run().catch(() => {});
  }

  /** Resolves when everything taken before the call is sent; rejects when sending failed. */
  async drain(): Promise<void> {
    const upTo = this.#taken;
    while (this.#sent < upTo) await this.#lot;
  }

  async #run(): Promise<void> {
    while (this.waiting > 0) {
      this.#lot = this.#sendLot();
      this.#sent += await this.#lot;
    }
    this.#running = false;
  }
}
