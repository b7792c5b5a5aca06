import { z } from "zod";
import { keysOf } from "../../domain/keys-of.ts";
import { AVRO_FORMAT, PROTOBUF_FORMAT } from "./by-schema.ts";
import { CBOR_FORMAT } from "./cbor.ts";
import { CSV_FORMAT } from "./csv.ts";
import type { Format } from "./format.ts";
import { JSON_FORMAT } from "./json.ts";
import { LINE_PROTOCOL_FORMAT } from "./line-protocol.ts";
import { MSGPACK_FORMAT } from "./msgpack.ts";
import { SENML_FORMAT } from "./senml.ts";
import { SPARKPLUG_FORMAT } from "./sparkplug.ts";
import { AUTO_FORMAT, VALUE_FORMAT } from "./value.ts";

/**
 * Every format of payloads. `format:` of `weir.yaml`, its reference and checks, the decoding of messages and the
 * conformance suite derive from this table: a new format is its file, a line here, and its samples in
 * `formats.test.ts`.
 */
export const FORMATS = {
  json: JSON_FORMAT,
  value: VALUE_FORMAT,
  auto: AUTO_FORMAT,
  cbor: CBOR_FORMAT,
  msgpack: MSGPACK_FORMAT,
  senml: SENML_FORMAT,
  "line-protocol": LINE_PROTOCOL_FORMAT,
  csv: CSV_FORMAT,
  avro: AVRO_FORMAT,
  protobuf: PROTOBUF_FORMAT,
  sparkplug: SPARKPLUG_FORMAT,
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof FORMATS;

/** A format's name, or the name with its options: `{ csv: { separator: ";" } }`. */
export type FormatConfig = FormatName | Readonly<Record<string, unknown>>;

export const formatSchema: z.ZodType<FormatConfig, FormatConfig> = schemaOf(FORMATS);

/** Accepts any table, so that a test can check a format with options. */
export function schemaOf<Table extends Readonly<Record<string, Format>>>(table: Table) {
  const names = z.enum(keysOf(table));
  const withOptions = Object.entries<Format>(table).flatMap(([name, { options }]) =>
    options === undefined ? [] : [z.strictObject({ [name]: options.describe(`The format \`${name}\` with options.`) })],
  );
  return withOptions.length === 0 ? names : z.union([names, ...withOptions]);
}

export const FORMATS_DOC = Object.entries(FORMATS)
  .map(([name, { doc }]) => `\`${name}\`: ${doc}.`)
  .join(" ");

/** The entry of a format, and its options. */
export function formatOf(
  config: FormatConfig,
  table: Readonly<Record<string, Format>> = FORMATS,
): { readonly entry: Format; readonly options: unknown } {
  const [name = "", given = undefined] = typeof config === "string" ? [config] : (Object.entries(config)[0] ?? []);
  const entry = table[name];
  if (entry === undefined) throw new RangeError(`no format ${name}`);
  return { entry, options: given ?? entry.options?.parse({}) };
}
