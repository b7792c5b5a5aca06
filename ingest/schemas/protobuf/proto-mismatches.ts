import protobuf from "protobufjs";
import type { Mismatch } from "../common/mismatch.ts";
import { nameOf, type ProtoFile } from "./proto-file.ts";

/** Scalars that are read as one another without a change of the bytes. */
const GROUPS: readonly (readonly string[])[] = [
  ["int32", "uint32", "int64", "uint64", "bool"],
  ["sint32", "sint64"],
  ["string", "bytes"],
  ["fixed32", "sfixed32"],
  ["fixed64", "sfixed64"],
];

/** Why data of the writer's file cannot be read with the reader's. Fields are the same by their number. */
export function protoMismatches(writer: ProtoFile, reader: ProtoFile): Mismatch[] {
  const found: Mismatch[] = [];
  const readers = new Map(allOf(reader.messages).map((type) => [nameOf(type), type]));
  for (const type of allOf(writer.messages)) {
    const name = nameOf(type);
    const other = readers.get(name);
    if (other === undefined) found.push({ path: name, detail: "the reader's schema lacks this message" });
    else found.push(...messageMismatches(type, other));
  }
  return found;
}

function allOf(types: readonly protobuf.Type[]): protobuf.Type[] {
  return types.flatMap((type) => [
    type,
    ...allOf(type.nestedArray.filter((each): each is protobuf.Type => each instanceof protobuf.Type)),
  ]);
}

function messageMismatches(writer: protobuf.Type, reader: protobuf.Type): Mismatch[] {
  const found: Mismatch[] = [];
  const at = (field: protobuf.Field) => `${nameOf(reader)}.${field.name}`;
  const written = new Map(writer.fieldsArray.map((field) => [field.id, field]));
  const read = new Map(reader.fieldsArray.map((field) => [field.id, field]));
  for (const field of reader.fieldsArray) {
    const source = written.get(field.id);
    if (source !== undefined) {
      const detail = fieldMismatch(source, field);
      if (detail !== undefined) found.push({ path: at(field), detail });
    } else if (field.required) found.push({ path: at(field), detail: "the writer's schema lacks this required field" });
  }
  for (const field of writer.fieldsArray) {
    if (read.has(field.id)) continue;
    if (field.required) found.push({ path: at(field), detail: "the reader's schema lacks this required field" });
    if (realOneof(field) !== undefined && oneofNamed(reader, realOneof(field)) !== undefined) {
      found.push({ path: at(field), detail: `it is gone from the oneof ${realOneof(field)}` });
    }
  }
  for (const oneof of reader.oneofsArray) {
    const moved = oneof.fieldsArray.filter((field) => {
      const source = written.get(field.id);
      return source !== undefined && realOneof(field) !== undefined && realOneof(source) === undefined;
    });
    const isExisting = oneofNamed(writer, oneof.name) !== undefined;
    if (moved.length > 1 || (moved.length > 0 && isExisting)) {
      const names = moved.map(({ name }) => name).join(", ");
      found.push({ path: nameOf(reader), detail: `${names} moved into the oneof ${oneof.name}, which keeps only one` });
    }
  }
  return found;
}

function fieldMismatch(writer: protobuf.Field, reader: protobuf.Field): string | undefined {
  const [written, wanted] = [kindOf(writer), kindOf(reader)];
  if (written !== wanted && !GROUPS.some((group) => group.includes(written) && group.includes(wanted))) {
    return `number ${reader.id} is ${written} in the writer's schema, ${wanted} in the reader's`;
  }
  const isList = (field: protobuf.Field) => field.repeated;
  const isText = reader.type === "string" || reader.type === "bytes";
  if (isList(writer) !== isList(reader) && !isText) {
    return `number ${reader.id} is ${isList(writer) ? "repeated" : "single"} in the writer's schema only`;
  }
  if (reader.required !== writer.required) {
    return `number ${reader.id} is required in the ${reader.required ? "reader" : "writer"}'s schema only`;
  }
  return undefined;
}

function kindOf(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) return `map<${field.keyType}, ${field.type}>`;
  if (field.resolvedType instanceof protobuf.Enum) return "int32";
  return field.resolvedType === null ? field.type : nameOf(field.resolvedType);
}

/** The name of the oneof; an optional field of proto3 has one that only says so. */
function realOneof(field: protobuf.Field): string | undefined {
  const name = field.partOf?.name;
  return name === undefined || name === `_${field.name}` ? undefined : name;
}

function oneofNamed(type: protobuf.Type, name: string | undefined): protobuf.OneOf | undefined {
  return type.oneofsArray.find((oneof) => oneof.name === name);
}
