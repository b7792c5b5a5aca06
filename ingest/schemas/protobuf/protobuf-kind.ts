import type protobuf from "protobufjs";
import { problemOf } from "../../formats/binary-problem.ts";
import type { Parsed } from "../../formats/format.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import type { ReadOptions, Schema, SchemaKind } from "../common/schema.ts";
import { messageAt, messageNamed, type ProtoFile, parseProto } from "./proto-file.ts";
import { protoMismatches } from "./proto-mismatches.ts";
import { ProtoPlans, protoTree } from "./proto-plan.ts";

export const PROTOBUF_KIND: SchemaKind = {
  doc: "Protobuf: a .proto file; a payload is its first message, or the one that the source or the payload names",
  parse: (text, references) => new ProtobufSchema(parseProto(text, references), text),
};

class ProtobufSchema implements Schema {
  readonly type = "PROTOBUF";
  readonly canonical: string;
  readonly file: ProtoFile;
  readonly #plans = new ProtoPlans();

  constructor(file: ProtoFile, text: string) {
    this.file = file;
    this.canonical = text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .join("\n");
  }

  mismatches(writer: Schema) {
    return protoMismatches(fileOf(writer), this.file);
  }

  /** A message is read with the writer's schema: it has the names of the fields that the writer knows. */
  parserOf(writer: Schema, { nestingMax, message }: ReadOptions): (payload: Uint8Array) => Parsed {
    const schema = protobufOf(writer);
    const plan = schema.#plans.of(schema.#message(message));
    return (payload) => {
      try {
        return { value: protoTree(payload, plan, nestingMax) };
      } catch (error) {
        return { problem: problemOf(error, "Protobuf by its schema") };
      }
    };
  }

  #message(message: ReadOptions["message"]): protobuf.Type {
    const found = typeof message === "string" ? messageNamed(this.file, message) : messageAt(this.file, message ?? [0]);
    if (found !== undefined) return found;
    const names = this.file.messages.map(({ name }) => name).join(", ");
    const wanted = typeof message === "string" ? message : `at ${message?.join(", ")}`;
    throw new BadSchemaError(`the .proto file has no message ${wanted}; it has ${names}`);
  }
}

function protobufOf(schema: Schema): ProtobufSchema {
  if (schema instanceof ProtobufSchema) return schema;
  throw new BadSchemaError(`a schema of type ${schema.type} cannot be read as PROTOBUF`);
}

function fileOf(schema: Schema): ProtoFile {
  return protobufOf(schema).file;
}
