import type { DeadLetter } from "../../domain/dead-letter.ts";
import { decodeDeadLetter, encodeDeadLetter, encodeDeadLetterWithin } from "../../domain/dead-letter-codec.ts";
import { asError } from "../../domain/reason.ts";
import { deadLetterSubject } from "../../domain/subjects.ts";
import { type Appended, type Log, TooLargeError } from "../../platform/log/port.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { IngestEvents } from "../common/events.ts";

/** If a server unexpectedly refuses a letter for its size, it is sent once more with this many bytes. */
const LETTER_BYTES_LAST = 16 * 1_024;

/** Why a message becomes a dead letter. */
export interface LetterProblem {
  readonly reason: string;
  readonly detail: string;
  readonly position?: number;
}

/** Called when the letter is in the log, with its sequence, or when storing it failed. */
export type OnLetterKept = (error?: Error, sequence?: number) => void;

/** Stores messages that cannot be read in the DEADLETTERS log. */
export class LetterWriter {
  readonly #log: Log;
  readonly #events: IngestEvents;
  readonly #inFlight = new Set<Promise<void>>();

  constructor(log: Log, events: IngestEvents) {
    this.#log = log;
    this.#events = events;
  }

  /** `retryOf`: the sequence of the letter whose retry failed. */
  keep(message: InboundMessage, problem: LetterProblem, onKept: OnLetterKept, retryOf?: number): void {
    const letter: DeadLetter = {
      ...problem,
      ...(retryOf === undefined ? {} : { retryOf }),
      topic: message.topic,
      payload: message.payload,
      clientId: message.clientId,
      receivedAtUs: message.receivedAtUs,
    };
    const kept: Promise<void> = this.#append(letter)
      .then(
        ({ sequence }) => {
          this.#events.messageDeadLettered(letter);
          onKept(undefined, sequence);
        },
        (cause: unknown) => {
          const error = asError(cause);
          this.#events.messageNotKept(error);
          onKept(error);
        },
      )
      .finally(() => this.#inFlight.delete(kept));
    this.#inFlight.add(kept);
  }

  /** Resolves when no letter is in flight. */
  async drain(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** Truncates a letter that is too large: if the log refused it, its sender would resend the message forever. */
  async #append(letter: DeadLetter): Promise<Appended> {
    const subject = deadLetterSubject(letter.reason);
    // The log already has the whole letter of a retry; half of it must not count as its retry.
    if (letter.retryOf !== undefined) return await this.#log.append({ subject, payload: encodeDeadLetter(letter) });
    const payload = encodeDeadLetterWithin(letter, this.#log.payloadBytesMax);
    try {
      return await this.#log.append({ subject, payload });
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      // From the encoded bytes: `letter.payload` may be a view of a buffer that has been reused since.
      const shorter = encodeDeadLetterWithin(decodeDeadLetter(payload), LETTER_BYTES_LAST);
      return await this.#log.append({ subject, payload: shorter });
    }
  }
}
