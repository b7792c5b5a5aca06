import type { Incoming, IncomingIds } from "../port.ts";
import type { OwnedQueue } from "./owned-queue.ts";

/** The packet ids of a session that this edge owns; saved with its queue's progress. */
export class OwnedIncomingIds implements IncomingIds {
  readonly #queue: OwnedQueue;

  constructor(queue: OwnedQueue) {
    this.#queue = queue;
  }

  get size(): number {
    return this.#queue.progress.incoming.size;
  }

  async begin(packetId: number, receivedAtUs: number): Promise<Incoming> {
    const began = this.#queue.progress.begin(packetId, receivedAtUs);
    // The first save of a repeated id may still be under way.
    await (began.repeat ? this.#queue.saved() : this.#queue.changed());
    return began;
  }

  stored(packetId: number): void {
    if (this.#queue.progress.stored(packetId)) this.#queue.saveSoon();
  }

  has(packetId: number): boolean {
    return this.#queue.progress.incoming.has(packetId);
  }

  async release(packetId: number): Promise<void> {
    await (this.#queue.progress.incoming.delete(packetId) ? this.#queue.changed() : this.#queue.saved());
  }
}
