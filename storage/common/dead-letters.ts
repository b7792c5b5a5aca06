import { createHash } from "node:crypto";
import { encodeDeadLetterWithin } from "../../domain/dead-letter-codec.ts";
import { deadLetterSubject } from "../../domain/subjects.ts";
import type { Log } from "../../platform/log/port.ts";
import type { StorageEvents } from "./events.ts";

/** A row that a store refuses. */
export const WRITE_REFUSED = "write-refused";
/** A message of the log that cannot be read. */
export const UNREADABLE_ENTRY = "unreadable-entry";

/** More of a row helps nobody, and a flood of large letters would displace the others. */
const LETTER_BYTES_MAX = 65_536;

export interface LetterContent {
  readonly reason: typeof WRITE_REFUSED | typeof UNREADABLE_ENTRY;
  readonly detail: string;
  /** Where the payload was: the store or the subject. */
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** Keeps what cannot be stored as dead letters. A letter that the log refuses is counted as dropped. */
export class DeadLetters {
  readonly #log: Log;
  readonly #events: StorageEvents;
  readonly #nowUs: () => number;

  constructor(deps: { readonly log: Log; readonly events: StorageEvents; readonly nowUs: () => number }) {
    this.#log = deps.log;
    this.#events = deps.events;
    this.#nowUs = deps.nowUs;
  }

  /** Waits while the log is unavailable. Letters with the same `id` are one. */
  async keep(letter: LetterContent, id: string): Promise<void> {
    const bytesMax = Math.min(LETTER_BYTES_MAX, this.#log.payloadBytesMax);
    const payload = encodeDeadLetterWithin({ ...letter, clientId: "", receivedAtUs: this.#nowUs() }, bytesMax);
    try {
      await this.#log.append({ subject: deadLetterSubject(letter.reason), payload, id });
    } catch (error) {
      this.#events.deadLetterLost(error);
    }
  }
}

/** The id of a row's letter: the same row has one letter, however often it is written again. */
export function letterIdOf(text: string): string {
  return `storage-${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
