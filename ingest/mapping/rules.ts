import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { PayloadLimits, PayloadProblem } from "../formats/format.ts";
import type { MetricRules } from "./metric-names.ts";
import type { TimeReader } from "./times.ts";
import type { ValueSettings } from "./values.ts";

/** Takes the readings of one message. */
export interface Readings {
  /** The readings that follow are of this device. Returns why it may not send. */
  device(name: string, tags: Tags): PayloadProblem | undefined;
  /**
   * `atUs`: the time of observation; undefined if the payload has none, and NaN if it cannot be right. `unit`
   * becomes a tag. Returns false if the metric's name is invalid; the reading is then not stored.
   */
  add(metric: string, value: ReadingValue, atUs: number | undefined, unit?: string): boolean;
}

/** A source's settings for its payloads, in any format. */
export interface PayloadRules extends PayloadLimits {
  readonly times: TimeReader;
  readonly values: ValueSettings;
  /** Undefined: every field is a reading by its own name. */
  readonly metricOf: MetricRules | undefined;
  /** Fields of elements that are no readings: they name the device, a tag or the metric. */
  readonly consumed: ReadonlySet<string>;
}

/** One message, as its source decodes it. */
export interface MappedMessage {
  readonly payload: Uint8Array;
  readonly topic: string;
  readonly receivedAtUs: number;
  readonly captured: Readonly<Record<string, string>>;
  /** Counts messages. */
  readonly number: number;
  /** Counts how often this message is decoded. */
  readonly attempt: number;
  /** Whole numbers that a double cannot hold are kept exactly. */
  readonly isExact: boolean;
}

/** What became of a payload besides its readings. */
export type Decoded = PayloadProblem | undefined | "not-mine" | "again-exactly" | "ignored";

/**
 * Decodes one message. Returns the first problem; valid readings beside it still count. `not-mine`: the source's
 * condition does not hold. `again-exactly`: a whole number was too large to hold. `ignored`:
 * the source says that there are no readings. Hot: it runs for every message, and
 * allocates only what a message needs.
 */
export type Decode = (message: MappedMessage, readings: Readings) => Decoded;
