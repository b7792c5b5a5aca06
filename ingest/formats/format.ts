import type { z } from "zod";
import type { ReadingValue } from "../../domain/reading.ts";
import type { TimestampUnit } from "./timestamp.ts";

/** Receives a decoded reading. False when the metric's name is not valid: the reading was not stored. */
export type OnReading = (metric: string, value: ReadingValue, atUs: number | undefined) => boolean;

/** Why a payload, or a part of it, gave no readings. */
export interface PayloadProblem {
  readonly reason: "bad-payload" | "bad-timestamp" | "bad-name" | "too-large" | "reading-failed";
  readonly detail: string;
  /** The first bad byte, where it is known. */
  readonly position?: number;
}

/** What a source says about its payloads, in whatever format they are. */
export interface PayloadRules {
  readonly timestampField: string | undefined;
  readonly timestampUnit: TimestampUnit;
  readonly wants: (metric: string) => boolean;
  readonly readingsMax: number;
  readonly nestingMax: number;
  readonly textBytesMax: number;
  /** Of a metric. A longer name is not given to `onReading`. */
  readonly nameBytesMax: number;
}

/**
 * Decodes one payload. `metric` is the one that the topic names, or "". Returns the first problem; readings besides it
 * still count. Hot: it runs for each message, and allocates nothing that a message does not need.
 */
export type Decode = (payload: Uint8Array, metric: string, onReading: OnReading) => PayloadProblem | undefined;

/** One format of payloads: an entry of the table in `formats.ts`. */
export interface Format {
  /** What the payload is, for the reference of `weir.yaml`: one phrase after the format's name. */
  readonly doc: string;
  /** A payload with all that the format can say, and the readings that it gives for the metric `metric`. */
  readonly example: { readonly payload: string; readonly readings: readonly (readonly [string, ReadingValue])[] };
  /** The payload does not name its metric, so the topic must, with `{metric}`. */
  readonly needsMetric: boolean;
  /** An object of settings that all have defaults, for formats that have any: `format: { csv: { separator: ";" } }`. */
  readonly options?: z.ZodObject;
  /** Called once for each source; `options` is what the schema made of the settings. */
  decoder(rules: PayloadRules, options: unknown): Decode;
}
