import type { Format, FormatContext, Parse, PayloadProblem } from "./format.ts";

/** The mapping applies the exact limit; this one protects the stack. */
const STACK_FACTOR = 4;

/** For trials of a source without a gateway. */
const NO_REGISTRY: PayloadProblem = {
  reason: "unknown-schema",
  detail: "its schema is in the registry of a running gateway, which is not asked here",
};

/** Undefined if the source names no schema. */
export function parserBySchema(
  { limits, schema, schemas }: FormatContext,
  type: "AVRO" | "JSON" | "PROTOBUF",
  isExact: boolean,
): Parse | undefined {
  if (schema === undefined) return undefined;
  if (schemas === undefined) return () => ({ problem: NO_REGISTRY });
  return schemas.parser(schema, type, { nestingMax: limits.nestingMax * STACK_FACTOR, isExact });
}

function needed(context: FormatContext, type: "AVRO" | "PROTOBUF"): Parse {
  const parser = parserBySchema(context, type, true);
  if (parser === undefined) throw new RangeError(`a source of the format ${type.toLowerCase()} has no schema`);
  return parser;
}

export const AVRO_FORMAT = {
  kind: "tree",
  doc: "Avro by the `schema` of the source; a zero byte and the id of the device's own schema come first",
  example: {
    // Schema 1, and an array of one record: a union's second branch, which is 21.5, and the first branch, null.
    payload: Buffer.from("0000000001020200000000008035400000", "hex"),
    readings: [["metric", 21.5]],
  },
  needsMetric: false,
  schema: "needed",
  parser: (context) => needed(context, "AVRO"),
} as const satisfies Format;

export const PROTOBUF_FORMAT = {
  kind: "tree",
  doc: "Protobuf by the `schema` of the source, with or without the id of the device's own schema in front",
  example: {
    // A field 1 that is a message, whose field 2 is 21.5.
    payload: Buffer.from("0a09110000000000803540", "hex"),
    readings: [["metric", 21.5]],
  },
  needsMetric: false,
  schema: "needed",
  parser: (context) => needed(context, "PROTOBUF"),
} as const satisfies Format;
