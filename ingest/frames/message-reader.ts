import type { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type ReadingValue } from "../../domain/reading.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import { decodeJson, decodeValue, type OnReading, type PayloadProblem } from "../formats/payload.ts";
import type { Route } from "../sources/topic-routes.ts";
import type { FrameBatcher } from "./frame-batcher.ts";

/**
 * Puts the readings of one message after the other into their partition's open frame. One object serves all messages, so
 * that a message costs no closures.
 */
export class MessageReader {
  readonly #batcher: FrameBatcher;
  readonly #aheadUsMax: number;
  readonly #onClockAhead: () => void;
  #route: Route | undefined;
  #frame: FrameWriter | undefined;
  #receivedAtUs = 0;
  /** Readings of the newest message. */
  count = 0;

  constructor(batcher: FrameBatcher, aheadUsMax: number, onClockAhead: () => void) {
    this.#batcher = batcher;
    this.#aheadUsMax = aheadUsMax;
    this.#onClockAhead = onClockAhead;
  }

  /** Returns what was wrong with the message, if anything; `count` says how many readings it gave all the same. */
  read(message: InboundMessage, route: Route): PayloadProblem | undefined {
    this.#route = route;
    this.#receivedAtUs = message.receivedAtUs;
    this.#frame = this.#batcher.open(route.partition, message.receivedAtUs);
    this.count = 0;
    const problem =
      route.source.format === "json"
        ? decodeJson(message.payload, route.rules, this.#onReading)
        : decodeValue(message.payload, route.metric ?? "", route.rules, this.#onReading);
    route.counts.readings += this.count;
    return problem;
  }

  readonly #onReading: OnReading = (metric: string, value: ReadingValue, observedAtUs: number | undefined) => {
    const route = this.#route as Route;
    const clockAhead = observedAtUs !== undefined && observedAtUs > this.#receivedAtUs + this.#aheadUsMax;
    if (clockAhead) {
      route.counts.clockAhead++;
      this.#onClockAhead();
    }
    const atUs = observedAtUs === undefined || clockAhead ? this.#receivedAtUs : observedAtUs;
    this.#frame?.addTo(route.series.get(metric, kindOf(value)), atUs, value, clockAhead);
    this.count++;
  };
}
