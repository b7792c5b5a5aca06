import type { z } from "zod";
import type { Path } from "../../platform/files/fault.ts";
import type { FieldHint } from "../../platform/files/schema-faults.ts";

/** What a rule is about: readings in windows, their absence, or several series. */
export type Subject = "window" | "absent" | "let";

/** A value of a field, and what it means. */
export interface FieldExample {
  readonly value: unknown;
  readonly meaning: string;
}

/** A field of a rule, or of a part of one: everything that schema, reference, suggestions and checks need of it. */
export interface Field {
  readonly schema: z.ZodType;
  readonly doc: string;
  /** What the reference says it takes. */
  readonly takes: string;
  readonly examples?: readonly FieldExample[];
  /** Rules to which it means something; all of them by default. */
  readonly for?: readonly Subject[];
  /** It is about alerts: without `when` it has no effect. */
  readonly isOfAlerts?: true;
  /** Defaults of the file and the rule's own value are merged name by name. */
  readonly mergesByName?: true;
  /** What other tools call it. */
  readonly synonyms?: readonly string[];
  /** Words that other tools use for its values: `{ warn: "warning" }`. */
  readonly words?: Readonly<Record<string, string>>;
  /** What it holds, and a right value that is near a wrong one; `at` may lie below the field. */
  hint?(value: unknown, at: Path): FieldHint;
  /** Of a field that holds a map, or a list of maps: their fields. */
  readonly fields?: Fields;
  /** The maps lie behind free names. */
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
  // `Object.fromEntries` forgets which names there are.
  return Object.fromEntries(described) as Shape<Table>;
}

/** The field at a path. */
export function fieldIn(table: Fields, path: Path): Field | undefined {
  const [name, ...rest] = path.filter((step) => typeof step === "string");
  const field = name === undefined ? undefined : table[name];
  const below = field?.hasNames ? rest.slice(1) : rest;
  return field?.fields === undefined || below.length === 0 ? field : fieldIn(field.fields, below);
}
