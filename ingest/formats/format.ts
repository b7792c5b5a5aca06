import type { z } from "zod";
import type { ReadingValue } from "../../domain/reading.ts";
import type { TimestampUnit } from "./timestamp.ts";

/** Receives a decoded reading. Returns false if the metric's name is invalid; the reading is then not stored. */
export type OnReading = (metric: string, value: ReadingValue, atUs: number | undefined) => boolean;

/** Why a payload, or a part of it, has no readings. */
export interface PayloadProblem {
  readonly reason: "bad-payload" | "bad-timestamp" | "bad-name" | "too-large" | "too-many-series" | "reading-failed";
  readonly detail: string;
  /** The first bad byte, if known. */
  readonly position?: number;
}

/** A source's settings for its payloads, in any format. */
export interface PayloadRules {
  readonly timestampField: string | undefined;
  readonly timestampUnit: TimestampUnit;
  readonly wants: (metric: string) => boolean;
  readonly readingsMax: number;
  readonly nestingMax: number;
  readonly textBytesMax: number;
  /** The longest metric name. A longer one is not passed to `onReading`. */
  readonly nameBytesMax: number;
}

/**
 * Decodes one payload. `metric` is the one in the topic, or "". Returns the first problem; valid readings beside it
 * still count. Hot: it runs for every message, and allocates only what a message needs.
 */
export type Decode = (payload: Uint8Array, metric: string, onReading: OnReading) => PayloadProblem | undefined;

/** One payload format: an entry of the table in `formats.ts`. */
export interface Format {
  /** A description of the payload for the reference of `weir.yaml`: a phrase that follows the format's name. */
  readonly doc: string;
  /** A payload that shows everything the format can express, and its readings for the metric `metric`. */
  readonly example: { readonly payload: string; readonly readings: readonly (readonly [string, ReadingValue])[] };
  /** The payload does not name its metric, so the topic must, with `{metric}`. */
  readonly needsMetric: boolean;
  /** Settings, all with defaults, for formats that have any: `format: { csv: { separator: ";" } }`. */
  readonly options?: z.ZodObject;
  /** Called once for each source; `options` is the schema's output. */
  decoder(rules: PayloadRules, options: unknown): Decode;
}
