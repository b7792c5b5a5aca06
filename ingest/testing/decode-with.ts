import type { z } from "zod";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { Format, PayloadLimits, PayloadProblem } from "../formats/format.ts";
import { decoderOf, type SharedState } from "../mapping/decoder.ts";
import type { Decode, MappedMessage } from "../mapping/rules.ts";
import { sourceFields } from "../mapping/source-fields.ts";
import { compileSource } from "../mapping/source-plan.ts";

/** Low limits, so that small payloads exceed them. Texts stay as they are written. */
export const STRICT_RULES: TestRules = {
  readingsMax: 10,
  nestingMax: 3,
  textBytesMax: 20,
  nameBytesMax: 12,
  source: { coerce: "off", no_value: [] },
};

export interface TestRules extends PayloadLimits {
  /** Settings of the source besides its topic and format. */
  readonly source: Partial<z.input<typeof sourceFields>>;
}

export interface Decoded {
  readonly readings: readonly (readonly [metric: string, value: ReadingValue, atUs: number | undefined])[];
  readonly problem: PayloadProblem | undefined;
}

/** A decoder of one format. The topic names the device, and the metric if the format needs one. */
export function decoder(
  format: Format,
  { source, ...limits }: TestRules,
  options: unknown,
  shared?: SharedState,
): Decode {
  const hasMetric = format.needsMetric || (format.kind === "tree" && format.mayBeBare === true);
  const topic = hasMetric ? "a/{device}/{metric}" : "a/{device}";
  const plan = compileSource(sourceFields.parse({ topic, ...source }), limits, { entry: format, options });
  return decoderOf(plan, limits, shared);
}

/** Everything that a decoder reads from one payload; the topic names the metric `metric`. */
export function decodeWith(
  decode: Decode,
  payload: string | Uint8Array,
  metric = "metric",
  accepts: (metric: string) => boolean = () => true,
): Decoded {
  const { readings, problem } = decodeMessage(decode, { payload, captured: { device: "d", metric } }, accepts);
  return { readings: readings.map(([, , ...reading]) => reading), problem };
}

export interface DecodedMessage {
  readonly readings: readonly (readonly [
    device: string,
    tags: Tags,
    metric: string,
    value: ReadingValue,
    atUs: number | undefined,
  ])[];
  readonly problem: PayloadProblem | undefined;
  readonly isTaken: boolean;
}

let messages = 0;

/** As `decodeWith`, with the devices and tags that the payload names; else they are those of `captured`. */
export function decodeMessage(
  decode: Decode,
  { payload, ...over }: { readonly payload: string | Uint8Array } & Partial<Omit<MappedMessage, "payload">>,
  accepts: (metric: string) => boolean = () => true,
): DecodedMessage {
  const message: MappedMessage = {
    payload: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
    ...{ topic: "a/d/metric", receivedAtUs: 0, captured: {}, number: ++messages, attempt: 0, isExact: false },
    ...over,
  };
  for (const isExact of [false, true]) {
    const readings: [string, Tags, string, ReadingValue, number | undefined][] = [];
    let [device, tags]: [string, Tags] = [message.captured.device ?? "", {}];
    const decoded = decode(
      { ...message, isExact },
      {
        device(name, its) {
          [device, tags] = [name, its];
          return undefined;
        },
        add: (metric, value, atUs, unit) =>
          accepts(metric) &&
          readings.push([device, unit === undefined ? tags : { ...tags, unit }, metric, value, atUs]) > 0,
      },
    );
    if (decoded === "again-exactly") continue;
    const isTaken = decoded !== "not-mine" && decoded !== "ignored";
    return { readings, problem: isTaken ? decoded : undefined, isTaken };
  }
  throw new Error("a decoder asked twice for an exact pass");
}
