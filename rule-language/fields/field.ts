import type { z } from "zod";
import type { Path } from "../../platform/files/fault.ts";
import type { FieldHint } from "../../platform/files/schema-faults.ts";

/** The subject of a rule: readings in windows, the absence of readings, or several series. */
export type Subject = "window" | "absent" | "let";

/** A value of a field, with its meaning. */
export interface FieldExample {
  readonly value: unknown;
  readonly meaning: string;
}

/**
 * A field of a rule, or of a part of one, with everything that the schema, the reference, suggestions and checks
 * need.
 */
export interface Field {
  readonly schema: z.ZodType;
  readonly doc: string;
  /** The accepted values, for the reference. */
  readonly takes: string;
  readonly examples?: readonly FieldExample[];
  /** The subjects that the field applies to; all by default. */
  readonly for?: readonly Subject[];
  /** The field affects only alerts, so it has no effect without `when`. */
  readonly isOfAlerts?: true;
  /** The defaults of the file and the rule's own value are merged name by name. */
  readonly mergesByName?: true;
  /** Names of the field in other tools. */
  readonly synonyms?: readonly string[];
  /** Values in other tools, and the values to write here: `{ warn: "warning" }`. */
  readonly words?: Readonly<Record<string, string>>;
  /** Describes the field's values, and suggests a correct value for an incorrect one. `at` may be below the field. */
  hint?(value: unknown, at: Path): FieldHint;
  /** The fields of the map, or of each map in the list, that the field holds. */
  readonly fields?: Fields;
  /** The maps are below names that the user chooses. */
  readonly hasNames?: true;
}

export type Fields = Readonly<Record<string, Field>>;

type Shape<Table extends Fields> = { -readonly [Name in keyof Table]: Table[Name]["schema"] };

/** The schemas of a table, with their descriptions and examples, for `z.strictObject`. */
export function shapeOf<Table extends Fields>(table: Table): Shape<Table> {
  const described = Object.entries(table).map(([name, { schema, doc, examples }]) => {
    const values = examples?.map(({ value }) => value);
    return [name, schema.meta({ ...schema.meta(), description: doc, ...(values && { examples: values }) })] as const;
  });
  // `Object.fromEntries` loses the names in its type.
  return Object.fromEntries(described) as Shape<Table>;
}

/** The field at a path. */
export function fieldIn(table: Fields, path: Path): Field | undefined {
  const [name, ...rest] = path.filter((step) => typeof step === "string");
  const field = name === undefined ? undefined : table[name];
  const below = field?.hasNames ? rest.slice(1) : rest;
  return field?.fields === undefined || below.length === 0 ? field : fieldIn(field.fields, below);
}
