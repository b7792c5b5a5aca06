import type { Tree } from "../../formats/format.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import { logicalValue } from "./avro-reader.ts";
import type { AvroField, AvroNode } from "./avro-schema.ts";

const DEPTH_MAX = 32;

/** Throws `BadSchemaError` if a default does not fit its type: better now than when the first message needs it. */
export function checkDefaults(node: AvroNode, seen: Set<AvroNode> = new Set()): void {
  if (seen.has(node)) return;
  seen.add(node);
  if (node.kind === "record") {
    for (const field of node.fields) {
      if (field.fallback !== undefined) defaultTree(field);
      checkDefaults(field.type, seen);
    }
  } else if (node.kind === "union") for (const branch of node.branches) checkDefaults(branch, seen);
  else if (node.kind === "array") checkDefaults(node.items, seen);
  else if (node.kind === "map") checkDefaults(node.values, seen);
}

/** The value of a field that the writer does not have. Throws `BadSchemaError` if the default does not fit its type. */
export function defaultTree({ name, type, fallback }: AvroField): Tree {
  return treeOf(fallback?.json, type, { at: `the default of field ${JSON.stringify(name)}`, depth: 0 });
}

interface Place {
  readonly at: string;
  readonly depth: number;
}

function treeOf(json: unknown, type: AvroNode, place: Place): Tree {
  const { at, depth } = place;
  if (depth > DEPTH_MAX) throw new BadSchemaError(`${at} is nested deeper than ${DEPTH_MAX}`);
  switch (type.kind) {
    case "union": {
      // By the specification the first branch; since 1.12 any that fits.
      for (const branch of type.branches) {
        try {
          return treeOf(json, branch, { at, depth: depth + 1 });
        } catch (error) {
          if (!(error instanceof BadSchemaError)) throw error;
        }
      }
      throw new BadSchemaError(`${at} fits no branch of its union`);
    }
    case "record": {
      if (!isObject(json)) throw unfit(at, type);
      return Object.fromEntries(
        type.fields.map((field) => {
          const inside = { at: `${field.name} in ${at}`.slice(0, 200), depth: depth + 1 };
          if (field.name in json) return [field.name, treeOf(json[field.name], field.type, inside)];
          if (field.fallback === undefined) throw new BadSchemaError(`${inside.at} is missing`);
          return [field.name, treeOf(field.fallback.json, field.type, inside)];
        }),
      );
    }
    case "array":
      if (!Array.isArray(json)) throw unfit(at, type);
      return json.map((item) => treeOf(item, type.items, { at, depth: depth + 1 }));
    case "map":
      if (!isObject(json)) throw unfit(at, type);
      return Object.fromEntries(
        Object.entries(json).map(([key, value]) => [key, treeOf(value, type.values, { at, depth: depth + 1 })]),
      );
    case "enum":
      if (typeof json !== "string" || !type.symbols.includes(json)) throw unfit(at, type);
      return json;
    case "bytes":
    case "fixed": {
      if (typeof json !== "string") throw unfit(at, type);
      const bytes = Buffer.from(json, "latin1");
      return type.logical === undefined ? bytes : logicalValue(bytes, type.logical);
    }
    default: {
      if (!PRIMITIVE[type.kind](json)) throw unfit(at, type);
      const value = json as Tree;
      return type.logical === undefined ? value : logicalValue(value, type.logical);
    }
  }
}

const PRIMITIVE: Readonly<
  Record<"null" | "boolean" | "int" | "long" | "float" | "double" | "string", (json: unknown) => boolean>
> = {
  null: (json) => json === null,
  boolean: (json) => typeof json === "boolean",
  int: (json) => Number.isInteger(json),
  long: (json) => Number.isInteger(json),
  float: (json) => typeof json === "number",
  double: (json) => typeof json === "number",
  string: (json) => typeof json === "string",
};

function unfit(at: string, type: AvroNode): BadSchemaError {
  return new BadSchemaError(`${at} is no ${"name" in type ? type.name : type.kind}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
