import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { IngestEvents } from "../common/events.ts";
import type { LetterProblem, LetterWriter } from "../dead-letters/letter-writer.ts";
import type { PayloadProblem } from "../formats/format.ts";
import type { Route, RouteProblem, TopicRoutes } from "../sources/topic-routes.ts";
import type { FrameBatcher } from "./frame-batcher.ts";
import { MessageReader, readingFailed } from "./message-reader.ts";

export interface MessageLaneOptions {
  readonly routes: TopicRoutes;
  readonly batcher: FrameBatcher;
  readonly letters: LetterWriter;
  readonly events: IngestEvents;
  /** A reading further in the future than this gets its message's time of receipt. */
  readonly aheadUsMax: number;
}

/** How many readings the message had, and the sequence of its dead letter, if it became one. */
export type OnTaken = (error: Error | undefined, readings: number, letter?: number) => void;

/**
 * Writes messages to the log: the readings of each go into an open frame, and a message that cannot be read becomes a
 * dead letter. Live messages and retried ones have separate lanes, because a frame has one time of receipt.
 */
export class MessageLane {
  readonly #routes: TopicRoutes;
  readonly #batcher: FrameBatcher;
  readonly #letters: LetterWriter;
  readonly #events: IngestEvents;
  readonly #reader: MessageReader;

  constructor({ routes, batcher, letters, events, aheadUsMax }: MessageLaneOptions) {
    this.#routes = routes;
    this.#batcher = batcher;
    this.#letters = letters;
    this.#events = events;
    this.#reader = new MessageReader(batcher, aheadUsMax, events.clockRanAhead);
  }

  /**
   * Calls `done` once the log has everything from the message. Never throws: a message that cannot be read, for any
   * reason, becomes a dead letter. `retryOf`: the sequence of the letter that it comes from.
   */
  take(message: InboundMessage, done: OnTaken, retryOf?: number): void {
    this.#events.messageReceived();
    const route = this.#routeOf(message);
    if ("problem" in route) {
      const problem: LetterProblem = { reason: route.problem, detail: route.detail };
      this.#letters.keep(message, problem, (error, letter) => done(error, 0, letter), retryOf);
      return;
    }
    route.counts.messages++;
    const problem = this.#reader.read(message, route);
    if (problem !== undefined) this.#keepLetter({ message, route, problem, retryOf }, done);
    else if (this.#reader.count > 0) this.#store(route, done);
    else {
      route.counts.dropped++;
      this.#events.messageDropped("no-readings");
      done(undefined, 0);
    }
  }

  /** Sends the open frames, and resolves when everything is in the log. */
  async drain(): Promise<void> {
    await this.#batcher.drain();
  }

  #routeOf({ topic, sender, receivedAtUs }: InboundMessage): Route | RouteProblem {
    try {
      return this.#routes.find(topic, sender, receivedAtUs);
    } catch (error) {
      return { problem: "reading-failed", detail: readingFailed(error).detail };
    }
  }

  #store(route: Route, done: OnTaken): void {
    const { count } = this.#reader;
    this.#batcher.close(route.partition, (error) => {
      if (error === undefined) {
        route.counts.stored++;
        this.#events.messageStored();
      } else this.#events.messageNotKept(error);
      done(error, count);
    });
  }

  /** Stores the valid readings of the message too; the letter has the whole message. */
  #keepLetter(failed: FailedMessage, done: OnTaken): void {
    const { message, route, problem, retryOf } = failed;
    const { count } = this.#reader;
    const settle = afterBoth((error, letter) => done(error, count, letter));
    if (count > 0) this.#batcher.close(route.partition, settle);
    else settle();
    route.counts.deadLettered++;
    this.#letters.keep(message, problem, settle, retryOf);
  }
}

interface FailedMessage {
  readonly message: InboundMessage;
  readonly route: Route;
  readonly problem: PayloadProblem;
  readonly retryOf: number | undefined;
}

/** Calls `done` on the second call, with the first error and the first letter of the two. */
function afterBoth(done: (error?: Error, letter?: number) => void): (error?: Error, letter?: number) => void {
  let calls = 0;
  let firstError: Error | undefined;
  let firstLetter: number | undefined;
  return (error, letter) => {
    firstError ??= error;
    firstLetter ??= letter;
    calls++;
    if (calls === 2) done(firstError, firstLetter);
  };
}
