/**
 * Bytes of SUBSCRIBE and UNSUBSCRIBE packets in one turn of the event loop: a thousand filters take some milliseconds.
 * The rest waits for the next turn, so that everyone else is answered in between.
 */
const BYTES_PER_TURN = 16 * 1024;

/** Bounds the subscriptions that all clients together make in one turn of the event loop. */
export class SubscribeRoom {
  #bytes = 0;

  get isFull(): boolean {
    return this.#bytes >= BYTES_PER_TURN;
  }

  add(bytes: number): void {
    if (this.#bytes === 0) {
      setImmediate(() => {
        this.#bytes = 0;
      });
    }
    this.#bytes += bytes;
  }
}
