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
  /** The topic of the source that was tried. */
  readonly source?: string;
}

/** Called when the letter is in the log, with its sequence, or when storing it failed. */
export type OnLetterKept = (error?: Error, sequence?: number) => void;

/**
 * Letters in flight to the log. A letter is a message of its own, and costs a disk flush: without these limits, a
 * client that sends thousands to an unknown topic would have the frames of all others wait behind them.
 */
const IN_FLIGHT_MAX = 64;
const IN_FLIGHT_BYTES_MAX = 2 * 1_048_576;

interface Waiting {
  readonly letter: Omit<DeadLetter, "payload">;
  readonly encoded: Uint8Array;
  readonly onKept: OnLetterKept;
}

/**
 * Stores messages that cannot be read in the DEADLETTERS log. Clients take turns: each waits for its own letters. The
 * broker bounds what waits here, because it reads no more from a client with too much in flight.
 */
export class LetterWriter {
  readonly #log: Log;
  readonly #events: IngestEvents;
  /** By client; the next one's turn is first. */
  readonly #waiting = new Map<string, Waiting[]>();
  #inFlight = 0;
  #inFlightBytes = 0;
  #onIdle: (() => void)[] = [];

  constructor(log: Log, events: IngestEvents) {
    this.#log = log;
    this.#events = events;
  }

  /** `retryOf`: the sequence of the letter whose retry failed. */
  keep(message: InboundMessage, problem: LetterProblem, onKept: OnLetterKept, retryOf?: number): void {
    const { topic, payload, clientId, receivedAtUs } = message;
    const letter = { ...problem, ...(retryOf === undefined ? {} : { retryOf }), topic, clientId, receivedAtUs };
    // Encoded now: the payload may be a view of a buffer that is reused. The log already has the whole letter of a
    // retry; half of it must not count as its retry.
    const whole = { ...letter, payload };
    const encoded =
      retryOf === undefined ? encodeDeadLetterWithin(whole, this.#log.payloadBytesMax) : encodeDeadLetter(whole);
    const ofClient = this.#waiting.get(clientId);
    const waiting = { letter, encoded, onKept };
    if (ofClient === undefined) this.#waiting.set(clientId, [waiting]);
    else ofClient.push(waiting);
    this.#pump();
  }

  /** Resolves when no letter waits or is in flight. */
  async drain(): Promise<void> {
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #pump(): void {
    for (const [clientId, ofClient] of this.#waiting) {
      if (this.#inFlight >= IN_FLIGHT_MAX || this.#inFlightBytes >= IN_FLIGHT_BYTES_MAX) return;
      const next = ofClient.shift();
      this.#waiting.delete(clientId);
      // The loop reaches it again, after the others.
      if (ofClient.length > 0) this.#waiting.set(clientId, ofClient);
      if (next !== undefined) void this.#send(next);
    }
  }

  async #send({ letter, encoded, onKept }: Waiting): Promise<void> {
    this.#inFlight++;
    this.#inFlightBytes += encoded.length;
    try {
      const { sequence } = await this.#append(letter, encoded);
      this.#events.messageDeadLettered(letter);
      onKept(undefined, sequence);
    } catch (cause) {
      const error = asError(cause);
      this.#events.messageNotKept(error);
      onKept(error);
    }
    this.#inFlight--;
    this.#inFlightBytes -= encoded.length;
    this.#pump();
    if (this.#inFlight === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Truncates a letter that is too large: if the log refused it, its sender would resend the message forever. */
  async #append({ reason, retryOf }: Waiting["letter"], encoded: Uint8Array): Promise<Appended> {
    const subject = deadLetterSubject(reason);
    try {
      return await this.#log.append({ subject, payload: encoded });
    } catch (error) {
      if (!(error instanceof TooLargeError) || retryOf !== undefined) throw error;
      const shorter = encodeDeadLetterWithin(decodeDeadLetter(encoded), LETTER_BYTES_LAST);
      return await this.#log.append({ subject, payload: shorter });
    }
  }
}
