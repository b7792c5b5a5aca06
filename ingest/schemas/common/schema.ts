import type { Parsed } from "../../formats/format.ts";
import type { Mismatch } from "./mismatch.ts";

/** Another schema that a schema uses, by the name that it uses for it. */
export interface Reference {
  readonly name: string;
  readonly text: string;
}

/** How a payload is read. */
export interface ReadOptions {
  readonly nestingMax: number;
  /** Whole numbers that a double cannot hold become bigint. Binary formats always do so. */
  readonly isExact?: boolean;
  /** Which message of a .proto file: its name, or its place as a serializer writes it. The first one by default. */
  readonly message?: string | readonly number[] | undefined;
}

/** A parsed schema of one type. */
export interface Schema {
  readonly type: string;
  /** Equal for schemas that differ only in blanks and the order of JSON's fields. */
  readonly canonical: string;
  /** Why data of another schema, the writer's, cannot be read with this one. Empty if all of it can. */
  mismatches(writer: Schema): readonly Mismatch[];
  /** Reads payloads that were written with another schema as this one's. Throws `BadSchemaError`. */
  parserOf(writer: Schema, options: ReadOptions): (payload: Uint8Array) => Parsed;
}

/** A type of schemas: an entry of the table in `kinds.ts`. */
export interface SchemaKind {
  readonly doc: string;
  /** Throws `BadSchemaError`. */
  parse(text: string, references: readonly Reference[]): Schema;
}

/** The JSON text of a value with its fields in order, for comparing. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
