import { bridgeSubject } from "../../domain/subjects.ts";
import type { Log } from "../../platform/log/port.ts";
import { encodeMessage, type OutgoingMessage } from "./frame.ts";

type Done = (error?: Error) => void;

/** The rest of what the log takes is for headers of its own. */
const HEADROOM_BYTES = 4_096;

/**
 * Puts what shall go out into the log. An entry holds all messages that came while the one before was written: their
 * order is kept, and a busy bridge needs few entries. Bounded by the broker, which bounds what is unacknowledged.
 */
export class OutboxWriter {
  readonly #log: Log;
  readonly #subject: string;
  #waiting: { readonly bytes: Buffer; readonly done: Done }[] = [];
  #writing: Promise<void> | undefined;

  constructor(log: Log, bridge: string) {
    this.#log = log;
    this.#subject = bridgeSubject(bridge);
  }

  /** `done` is called when the log has it. False: it is too large for the log, and `done` is not called. */
  add(message: OutgoingMessage, done: Done): boolean {
    const bytes = encodeMessage(message);
    if (bytes.length > this.#bytesMax) return false;
    this.#waiting.push({ bytes, done });
    this.#writing ??= this.#write();
    return true;
  }

  async drain(): Promise<void> {
    await this.#writing;
  }

  get #bytesMax(): number {
    return this.#log.payloadBytesMax - HEADROOM_BYTES;
  }

  async #write(): Promise<void> {
    // The messages that arrive in the same turn share the first entry.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const entry = this.#nextEntry();
      let failure: Error | undefined;
      try {
        await this.#log.append({ subject: this.#subject, payload: Buffer.concat(entry.map(({ bytes }) => bytes)) });
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
      }
      for (const { done } of entry) done(failure);
    }
    // In the same turn as the look at what waits: a message of the next turn starts again.
    this.#writing = undefined;
  }

  #nextEntry() {
    let count = 0;
    let size = 0;
    for (const { bytes } of this.#waiting) {
      if (count > 0 && size + bytes.length > this.#bytesMax) break;
      size += bytes.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
