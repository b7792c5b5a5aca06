import { AVRO_KIND } from "./avro/avro-kind.ts";
import { BadSchemaError } from "./common/bad-schema-error.ts";
import type { Reference, Schema, SchemaKind } from "./common/schema.ts";
import { JSON_KIND } from "./json/json-kind.ts";
import { PROTOBUF_KIND } from "./protobuf/protobuf-kind.ts";

/** Every type of schemas, by the name that clients of registries use. */
export const SCHEMA_KINDS = {
  AVRO: AVRO_KIND,
  JSON: JSON_KIND,
  PROTOBUF: PROTOBUF_KIND,
} as const satisfies Readonly<Record<string, SchemaKind>>;

export type SchemaType = keyof typeof SCHEMA_KINDS;

/** Throws `BadSchemaError`. */
export function parseSchema(type: string, text: string, references: readonly Reference[] = []): Schema {
  if (!Object.hasOwn(SCHEMA_KINDS, type)) {
    throw new BadSchemaError(`${type} is no type of schemas; there are ${Object.keys(SCHEMA_KINDS).join(", ")}`);
  }
  return SCHEMA_KINDS[type as SchemaType].parse(text, references);
}
