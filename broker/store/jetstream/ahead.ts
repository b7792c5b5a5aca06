import { READ_BYTES_MAX } from "../memory-queue.ts";
import type { QueuedMessage } from "../port.ts";

/** Messages that wait in memory for a connection that reads slowly. The rest stays in the log. */
const AHEAD_BYTES_MAX = 512 * 1_024;
const AHEAD_MAX = 1_000;

interface AheadMessage extends QueuedMessage {
  readonly bytes: number;
}

/** The messages of a queue that were decoded, and that its connection has not read. */
export class Ahead {
  readonly #messages: AheadMessage[] = [];
  #bytes = 0;

  get length(): number {
    return this.#messages.length;
  }

  get isFull(): boolean {
    return this.#messages.length >= AHEAD_MAX || this.#bytes >= AHEAD_BYTES_MAX;
  }

  push(message: AheadMessage): void {
    this.#messages.push(message);
    this.#bytes += message.bytes;
  }

  shift(): AheadMessage | undefined {
    const oldest = this.#messages.shift();
    this.#bytes -= oldest?.bytes ?? 0;
    return oldest;
  }

  /** Removes the oldest ones: at most `max`, and beyond the first at most `READ_BYTES_MAX`. */
  take(max: number): readonly QueuedMessage[] {
    let bytes = 0;
    let count = 0;
    for (const each of this.#messages) {
      bytes += each.bytes;
      if (count >= max || (count > 0 && bytes > READ_BYTES_MAX)) break;
      count++;
    }
    const taken = this.#messages.splice(0, count);
    for (const each of taken) this.#bytes -= each.bytes;
    return taken;
  }

  clear(): void {
    this.#messages.length = 0;
    this.#bytes = 0;
  }
}
