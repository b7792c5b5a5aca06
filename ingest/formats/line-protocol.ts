import { z } from "zod";
import type { Format, FormatContext, OnSample, PayloadProblem, ReadSamples } from "./format.ts";
import { BadLine, type Line, LineReader } from "./line-protocol-line.ts";
import { decodeUtf8 } from "./payload-text.ts";

const optionsSchema = z.strictObject({
  precision: z.enum(["ns", "us", "ms", "s"]).default("ns").describe("The unit of the times."),
});

export const LINE_PROTOCOL_FORMAT = {
  kind: "samples",
  doc: "InfluxDB line protocol; metrics are `measurement.field`, and the tags of a line are tags of its series",
  example: {
    payload: 'climate,room=attic temp=21.5,open=false,mode="eco" 1763769600000000000\nclimate fan=3i\n',
    readings: [
      ["climate.temp", 21.5],
      ["climate.open", false],
      ["climate.mode", "eco"],
      ["climate.fan", 3],
    ],
  },
  needsMetric: false,
  options: optionsSchema,
  reader: (context) => readerOf(context),
} as const satisfies Format;

function readerOf({ limits, options }: FormatContext): ReadSamples {
  const { precision } = optionsSchema.parse(options ?? {});
  return ({ payload }, onSample) => {
    const text = decodeUtf8(payload);
    if (text === undefined) return { reason: "bad-payload", detail: "the payload is not UTF-8 text" };
    return readLines(text, { precision, readingsMax: limits.readingsMax }, onSample);
  };
}

type Precision = z.output<typeof optionsSchema>["precision"];

/** Samples of all lines. A bad line costs itself alone; the first one is the problem. */
function readLines(
  text: string,
  { precision, readingsMax }: { readonly precision: Precision; readonly readingsMax: number },
  onSample: OnSample,
): PayloadProblem | undefined {
  const reader = new LineReader(text);
  let problem: PayloadProblem | undefined;
  let samples = 0;
  for (;;) {
    let line: Line | undefined;
    try {
      line = reader.next();
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      const detail = `line ${reader.line}: ${error.message}`;
      problem ??= { reason: "bad-payload", detail, position: Buffer.byteLength(text.slice(0, error.at)) };
      reader.skipLine();
      continue;
    }
    if (line === undefined) return problem;
    const { measurement, tags, fields, time } = line;
    const atUs = time === undefined ? undefined : instantUs(time, precision);
    for (const [name, value] of fields) {
      if (samples++ === readingsMax) {
        return problem ?? { reason: "too-large", detail: `more than ${readingsMax} readings in one message` };
      }
      onSample({ metric: `${measurement}.${name}`, value, atUs, tags });
    }
  }
}

const MICROSECONDS: Readonly<Record<Exclude<Precision, "ns">, number>> = { us: 1, ms: 1_000, s: 1_000_000 };

/** Parts of a microsecond are cut off toward the past. */
function instantUs(digits: string, precision: Precision): number {
  if (precision !== "ns") return Number(digits) * MICROSECONDS[precision];
  const nanoseconds = BigInt(digits);
  const us = nanoseconds / 1_000n;
  return Number(nanoseconds < 0n && us * 1_000n !== nanoseconds ? us - 1n : us);
}
