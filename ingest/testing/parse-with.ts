import type { Format, Parsed, PayloadLimits, PayloadProblem, Tree } from "../formats/format.ts";

export const FORMAT_LIMITS: PayloadLimits = { readingsMax: 10, nestingMax: 3, textBytesMax: 20, nameBytesMax: 12 };
export const RECEIVED_AT_US = 1_763_769_600_000_000;

/** A sample as a plain array. */
export type Sampled = readonly [
  metric: string,
  value: Tree,
  atUs: number | undefined,
  tags: Readonly<Record<string, string>>,
  device: string | undefined,
];

export interface SampledPayload {
  readonly samples: readonly Sampled[];
  readonly problem: PayloadProblem | undefined;
}

/** What a format makes of a payload, before the mapping. */
export function parseWith(format: Format, payload: string | Uint8Array, options?: unknown): Parsed {
  if (format.kind !== "tree") throw new TypeError("this format has samples");
  return format.parser(contextOf(format, options))(bytesOf(payload));
}

export function samplesOf(
  format: Format,
  payload: string | Uint8Array,
  given: { readonly options?: unknown; readonly topic?: string } = {},
): SampledPayload {
  if (format.kind !== "samples") throw new TypeError("this format has trees");
  const samples: Sampled[] = [];
  const read = format.reader(contextOf(format, given.options));
  const message = { payload: bytesOf(payload), topic: given.topic ?? "t", receivedAtUs: RECEIVED_AT_US };
  const problem = read(message, ({ metric, value, atUs, tags, device }) => {
    samples.push([metric, value, atUs, { ...tags }, device]);
  });
  return { samples, problem };
}

function contextOf(format: Format, options: unknown) {
  return { limits: FORMAT_LIMITS, options: format.options?.parse(options ?? {}) };
}

function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}
