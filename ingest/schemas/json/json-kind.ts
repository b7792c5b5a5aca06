import type { Parsed } from "../../formats/format.ts";
import { parseExactJson, parseJson } from "../../formats/payload-text.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import { canonicalJson, type ReadOptions, type Schema, type SchemaKind } from "../common/schema.ts";
import { jsonMismatches } from "./json-mismatches.ts";
import { type JsonSchema, jsonFault, parseJsonSchema } from "./json-schema.ts";

export const JSON_KIND: SchemaKind = {
  doc: "JSON Schema, draft 6 to 2020-12: a payload that breaks it is a dead letter that names the field",
  parse: (text, references) => new JsonKindSchema(parseJsonSchema(text, references)),
};

class JsonKindSchema implements Schema {
  readonly type = "JSON";
  readonly canonical: string;
  readonly schema: JsonSchema;

  constructor(schema: JsonSchema) {
    this.schema = schema;
    this.canonical = canonicalJson(schema.json);
  }

  mismatches(writer: Schema) {
    return jsonMismatches(jsonOf(writer).json, this.schema.json);
  }

  parserOf(writer: Schema, { isExact }: ReadOptions): (payload: Uint8Array) => Parsed {
    const { validate } = jsonOf(writer);
    return (payload) => {
      const parsed = parseJson(payload);
      if (parsed.value === undefined) return parsed;
      if (validate(parsed.value)) return isExact ? parseExactJson(payload) : parsed;
      const [error] = validate.errors ?? [];
      const detail = error === undefined ? "the value breaks its schema" : jsonFault(error);
      return { problem: { reason: "bad-payload", detail: `by its schema, ${detail}` } };
    };
  }
}

function jsonOf(schema: Schema): JsonSchema {
  if (schema instanceof JsonKindSchema) return schema.schema;
  throw new BadSchemaError(`a schema of type ${schema.type} cannot be read as JSON`);
}
