import { MemoryQueue, QueueView } from "./memory-queue.ts";
import type { Copy, Incoming, IncomingIds, Message, SessionQueue } from "./port.ts";
import type { Progress } from "./progress.ts";

export interface TransientLimits {
  readonly queuedMax: number;
  readonly queuedBytesMax: number;
}

/** A session that ends with its connection: a queue and packet ids in memory alone, like those of a `SessionStore`. */
export class TransientSession {
  readonly #memory = new MemoryQueue();
  readonly #limits: TransientLimits;
  readonly queue: SessionQueue;
  readonly incoming: IncomingIds;

  constructor(clientId: string, limits: TransientLimits) {
    this.#limits = limits;
    const view = new QueueView(clientId, this.#memory);
    this.#memory.view = view;
    this.queue = view;
    this.incoming = new MemoryIncomingIds(this.#memory.progress);
  }

  /** Bytes that wait, about. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /**
   * Returns the number of messages that a bound dropped: the oldest that were not read yet. If all were read, none is
   * dropped: what a connection has in flight has a bound of its own.
   */
  push(message: Message, copy: Omit<Copy, "clientId">): number {
    this.#memory.push(message, copy);
    let dropped = 0;
    while (this.#memory.length > this.#limits.queuedMax || this.#memory.bytes > this.#limits.queuedBytesMax) {
      if (!this.#memory.dropOldest()) break;
      dropped++;
    }
    return dropped;
  }
}

export class MemoryIncomingIds implements IncomingIds {
  readonly #progress: Progress;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  get size(): number {
    return this.#progress.incoming.size;
  }

  async begin(packetId: number, receivedAtUs: number): Promise<Incoming> {
    return this.#progress.begin(packetId, receivedAtUs);
  }

  stored(packetId: number): void {
    this.#progress.stored(packetId);
  }

  has(packetId: number): boolean {
    return this.#progress.incoming.has(packetId);
  }

  async release(packetId: number): Promise<void> {
    this.#progress.incoming.delete(packetId);
  }
}
