import { problemOf } from "../../formats/binary-problem.ts";
import type { Parsed } from "../../formats/format.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import { canonicalJson, type ReadOptions, type Reference, type Schema, type SchemaKind } from "../common/schema.ts";
import { checkDefaults } from "./avro-default.ts";
import { AvroReader } from "./avro-reader.ts";
import { resolveAvro, UnresolvedError } from "./avro-resolve.ts";
import { type AvroNames, type AvroNode, parseAvro } from "./avro-schema.ts";

export const AVRO_KIND: SchemaKind = {
  doc: "Avro: devices with an older or newer schema are read by Avro's schema resolution",
  parse(text, references) {
    const names: AvroNames = new Map();
    for (const reference of references) parseReference(reference, names);
    return new AvroSchema(parseAvro(text, names), text);
  },
};

function parseReference({ name, text }: Reference, names: AvroNames): void {
  try {
    parseAvro(text, names);
  } catch (cause) {
    if (!(cause instanceof BadSchemaError)) throw cause;
    throw new BadSchemaError(`in the reference ${name}: ${cause.message}`, { cause });
  }
}

class AvroSchema implements Schema {
  readonly type = "AVRO";
  readonly canonical: string;
  readonly node: AvroNode;

  constructor(node: AvroNode, text: string) {
    this.node = node;
    this.canonical =
      text.trimStart().startsWith("{") || text.trimStart().startsWith("[") ? canonical(text) : text.trim();
    checkDefaults(node);
  }

  mismatches(writer: Schema) {
    return resolveAvro(nodeOf(writer), this.node).mismatches;
  }

  parserOf(writer: Schema, { nestingMax }: ReadOptions): (payload: Uint8Array) => Parsed {
    const { plan } = resolveAvro(nodeOf(writer), this.node);
    return (payload) => {
      const from = new AvroReader(payload, nestingMax);
      try {
        const value = plan(from);
        if (from.left > 0) from.fail(`${from.left} bytes follow the value`);
        return { value };
      } catch (error) {
        if (error instanceof UnresolvedError) return { problem: { reason: "bad-payload", detail: error.message } };
        return { problem: problemOf(error, "Avro by its schema") };
      }
    };
  }
}

function nodeOf(schema: Schema): AvroNode {
  if (schema instanceof AvroSchema) return schema.node;
  throw new BadSchemaError(`a schema of type ${schema.type} cannot be read as AVRO`);
}

function canonical(text: string): string {
  return canonicalJson(JSON.parse(text));
}
