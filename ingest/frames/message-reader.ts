import type { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type ReadingValue } from "../../domain/reading.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { PayloadProblem } from "../formats/format.ts";
import type { OnReading } from "../mapping/rules.ts";
import type { Route } from "../sources/topic-routes.ts";
import type { FrameBatcher } from "./frame-batcher.ts";

const SIZE_CHECK_READINGS = 64;

/**
 * Decodes messages, one at a time, and puts their readings into the open frame of their partition. One object serves
 * all messages, so that no message needs closures.
 */
export class MessageReader {
  readonly #batcher: FrameBatcher;
  readonly #aheadUsMax: number;
  readonly #onClockAhead: (readings: number) => void;
  #route: Route | undefined;
  #frame: FrameWriter | undefined;
  #receivedAtUs = 0;
  #clockAhead = 0;
  /** The first reading of the message whose series is one too many. */
  #refused: PayloadProblem | undefined;
  /** Its readings so far fill more than a frame: the others need no work. */
  #isTooLarge = false;
  /** How many readings the last message had. */
  count = 0;

  constructor(batcher: FrameBatcher, aheadUsMax: number, onClockAhead: (readings: number) => void) {
    this.#batcher = batcher;
    this.#aheadUsMax = aheadUsMax;
    this.#onClockAhead = onClockAhead;
  }

  /**
   * Returns the problem with the message, if any; some readings may still be valid (`count`). Never throws: if
   * decoding throws, none of the message's readings remain in the frame.
   */
  read(message: InboundMessage, route: Route): PayloadProblem | undefined {
    let problem: PayloadProblem | undefined;
    try {
      problem = this.#decode(message, route);
      if (this.#batcher.isOverfull(route.partition)) problem = this.#decodeIntoNext(message, route);
    } catch (error) {
      this.#undo(route.partition);
      problem = readingFailed(error);
    }
    route.counts.readings += this.count;
    if (this.#clockAhead > 0) {
      route.counts.clockAhead += this.#clockAhead;
      this.#onClockAhead(this.#clockAhead);
    }
    return problem;
  }

  #decode(message: InboundMessage, route: Route): PayloadProblem | undefined {
    this.count = 0;
    this.#clockAhead = 0;
    this.#refused = undefined;
    this.#isTooLarge = false;
    this.#route = route;
    this.#receivedAtUs = message.receivedAtUs;
    this.#frame = this.#batcher.open(route.partition, message.receivedAtUs);
    return route.decode(message.payload, route.metric ?? "", this.#onReading) ?? this.#refused;
  }

  /** The frame has no room for the message: sends the earlier contents, and the message starts the next frame. */
  #decodeIntoNext(message: InboundMessage, route: Route): PayloadProblem | undefined {
    const { partition } = route;
    const isTooLarge = this.#batcher.isTooLarge(partition);
    this.#undo(partition);
    if (!isTooLarge && this.#batcher.sendOpen(partition)) {
      const problem = this.#decode(message, route);
      if (!this.#batcher.isOverfull(partition)) return problem;
      this.#undo(partition);
    }
    const detail = `its readings take more than ${this.#batcher.bytesMax} bytes, the most that a frame of the log holds`;
    return { reason: "too-large", detail };
  }

  #undo(partition: number): void {
    this.#batcher.undo(partition);
    this.count = 0;
    this.#clockAhead = 0;
  }

  readonly #onReading: OnReading = (metric: string, value: ReadingValue, observedAtUs: number | undefined) => {
    const route = this.#route as Route;
    if (this.#isTooLarge) return true;
    if (this.count % SIZE_CHECK_READINGS === 0) this.#isTooLarge = this.#batcher.isTooLarge(route.partition);
    const series = route.series.get(metric, kindOf(value), this.#receivedAtUs);
    if (series === undefined) {
      this.#refused ??= route.series.refused;
      return route.series.refused !== undefined;
    }
    const clockAhead = observedAtUs !== undefined && observedAtUs > this.#receivedAtUs + this.#aheadUsMax;
    if (clockAhead) this.#clockAhead++;
    const atUs = observedAtUs === undefined || clockAhead ? this.#receivedAtUs : observedAtUs;
    this.#frame?.addTo(series, atUs, value, clockAhead);
    this.count++;
    return true;
  };
}

const ERROR_CHARACTERS_MAX = 300;

/** A bug of Weir, not a fault of the device: the message is kept for a version that can read it. */
export function readingFailed(error: unknown): PayloadProblem {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { reason: "reading-failed", detail: `reading it failed: ${text.slice(0, ERROR_CHARACTERS_MAX)}` };
}
