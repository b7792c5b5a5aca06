import { z } from "zod";
import { writtenFileSchema } from "./rule-spec.ts";

/** What a JSON Schema says of a field, as far as it is used here. */
export interface FieldSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly additionalProperties?: boolean | FieldSchema;
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
}

/** The JSON Schema (draft 7, which editors take) of rule files as the code has them. */
export function plainFileSchema(): FieldSchema & Readonly<Record<string, unknown>> {
  // Through text: the library's own type says less than what comes out.
  return JSON.parse(JSON.stringify(z.toJSONSchema(writtenFileSchema, { io: "input", target: "draft-7" })));
}

/** The keys that may stand at a path below a rule; undefined where any may. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] | undefined {
  let field: FieldSchema | undefined = plainFileSchema().properties?.rules?.items;
  for (const step of path) {
    field =
      typeof step === "number" ? (field?.items ?? field) : (propertiesOf(field)?.[String(step)] ?? innerOf(field));
  }
  const properties = propertiesOf(field);
  return properties && Object.keys(properties);
}

/** Of a field that may be one or several: of the one. */
function propertiesOf(field: FieldSchema | undefined): FieldSchema["properties"] {
  return field?.properties ?? field?.anyOf?.find(({ properties }) => properties)?.properties;
}

/** Of a field that holds names of any kind: what is behind each. */
function innerOf(field: FieldSchema | undefined): FieldSchema | undefined {
  return typeof field?.additionalProperties === "object" ? field.additionalProperties : undefined;
}

const DURATIONS = new Set([
  "tumbling",
  "hopping",
  "every",
  "sliding",
  "session",
  "absent",
  "for",
  "keep_firing_for",
  "lateness",
  "within",
]);

/** What kind of text a field holds. */
export function kindOf(field: string): "duration" | "condition" | "aggregate" | "id" | "other" {
  if (DURATIONS.has(field)) return "duration";
  if (field === "when" || field === "clear") return "condition";
  return field === "aggregate" || field === "id" ? field : "other";
}
