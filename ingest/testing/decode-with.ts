import type { ReadingValue } from "../../domain/reading.ts";
import type { PayloadProblem } from "../formats/format.ts";
import type { Decode, PayloadRules } from "../mapping/rules.ts";

/** Rules with low limits, so that small payloads exceed them. */
export const STRICT_RULES: PayloadRules = {
  timestampField: undefined,
  timestampUnit: "auto",
  wants: () => true,
  readingsMax: 10,
  nestingMax: 3,
  textBytesMax: 20,
  nameBytesMax: 12,
};

export interface Decoded {
  readonly readings: readonly (readonly [metric: string, value: ReadingValue, atUs: number | undefined])[];
  readonly problem: PayloadProblem | undefined;
}

/** Everything that a decoder reads from one payload; the topic names the metric `metric`. */
export function decodeWith(decode: Decode, payload: string | Uint8Array, metric = "metric"): Decoded {
  const readings: [string, ReadingValue, number | undefined][] = [];
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const problem = decode(bytes, metric, (...reading) => readings.push(reading) > 0);
  return { readings, problem };
}
