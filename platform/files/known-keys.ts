import { z } from "zod";
import type { Path } from "./fault.ts";
import type { KeyHome } from "./schema-texts.ts";

/** The part of a field's JSON Schema that messages and documents need. */
export interface FieldSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly additionalProperties?: boolean | FieldSchema;
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
  readonly oneOf?: readonly FieldSchema[];
  readonly allOf?: readonly FieldSchema[];
}

/** The JSON Schema of the written form, in draft 7, which editors support. */
export function jsonSchemaOf(schema: z.ZodType): FieldSchema & Readonly<Record<string, unknown>> {
  // Through text: the library's own type is less precise than its output.
  return JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input", target: "draft-7", unrepresentable: "any" })));
}

/** The field at a path. If a field has several shapes: the shape of the value there, or else the first map. */
export function fieldAt(root: FieldSchema, path: Path, value: unknown): FieldSchema | undefined {
  let field: FieldSchema | undefined = shapeOf(root, value);
  let inner = value;
  for (const step of path) {
    if (field === undefined) return undefined;
    const below: FieldSchema | undefined =
      typeof step === "number" ? field.items : (field.properties?.[String(step)] ?? valuesOf(field));
    inner = typeof inner === "object" && inner !== null ? Reflect.get(inner, step) : undefined;
    field = below && shapeOf(below, inner);
  }
  return field;
}

/** The keys of a map; undefined if any key is allowed. */
export function keysOf(field: FieldSchema | undefined): readonly string[] | undefined {
  return field?.properties && Object.keys(field.properties);
}

/** Maps that allow the key, the top level first. Lists and maps with free names are left out. */
export function homesOf(root: FieldSchema, key: string): KeyHome[] {
  const homes: KeyHome[] = [];
  const maps: { readonly map: string; readonly field: FieldSchema }[] = [{ map: "", field: root }];
  for (const { map, field } of maps) {
    const properties = shapeOf(field, undefined).properties ?? {};
    if (Object.hasOwn(properties, key)) homes.push({ map, key });
    for (const [name, below] of Object.entries(properties)) {
      maps.push({ map: map === "" ? name : `${map}.${name}`, field: below });
    }
  }
  return homes;
}

function shapeOf(field: FieldSchema, value: unknown): FieldSchema {
  const shapes = field.anyOf ?? field.oneOf ?? [];
  const fitting = shapes.find((shape) => fits(shape, value)) ?? shapes.find(({ properties }) => properties);
  return fitting === undefined ? field : shapeOf(fitting, value);
}

function fits({ type, properties = {} }: FieldSchema, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (type !== (Array.isArray(value) ? "array" : "object")) return false;
  const fixed = Object.entries(properties).filter(([, property]) => property.const !== undefined);
  return fixed.every(([name, property]) => Reflect.get(value, name) === property.const);
}

function valuesOf(field: FieldSchema): FieldSchema | undefined {
  return typeof field.additionalProperties === "object" ? field.additionalProperties : undefined;
}
