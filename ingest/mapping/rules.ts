import type { ReadingValue } from "../../domain/reading.ts";
import type { PayloadLimits, PayloadProblem } from "../formats/format.ts";
import type { TimestampUnit } from "./timestamp.ts";

/** Receives a reading. Returns false if the metric's name is invalid; the reading is then not stored. */
export type OnReading = (metric: string, value: ReadingValue, atUs: number | undefined) => boolean;

/** A source's settings for its payloads, in any format. */
export interface PayloadRules extends PayloadLimits {
  readonly timestampField: string | undefined;
  readonly timestampUnit: TimestampUnit;
  readonly wants: (metric: string) => boolean;
}

/**
 * Decodes one payload. `metric` is the one in the topic, or "". Returns the first problem; valid readings beside it
 * still count. Hot: it runs for every message, and allocates only what a message needs.
 */
export type Decode = (payload: Uint8Array, metric: string, onReading: OnReading) => PayloadProblem | undefined;
