import { z } from "zod";

/** Turns zod schemas into JSON Schema for a document in which the named ones are components. */
export class SchemaDocument {
  readonly #named: Readonly<Record<string, z.ZodType>>;
  readonly #target: "draft-2020-12" | "draft-7";

  constructor(named: Readonly<Record<string, z.ZodType>>, target: "draft-2020-12" | "draft-7") {
    this.#named = named;
    this.#target = target;
  }

  /** The schemas of all names, for `components.schemas`. */
  components(): Record<string, object> {
    return this.#convert(this.#registry());
  }

  /** A reference to a named schema. Any other schema is returned with references to the named ones inside it. */
  schemaOf(schema: z.ZodType): unknown {
    const named = Object.entries(this.#named).find(([, each]) => each === schema);
    if (named !== undefined) return { $ref: `#/components/schemas/${named[0]}` };
    const registry = this.#registry();
    registry.add(schema, { id: "this" });
    return this.#convert(registry).this;
  }

  #registry(): z.core.$ZodRegistry<{ id: string }> {
    const registry = z.registry<{ id: string }>();
    for (const [id, schema] of Object.entries(this.#named)) registry.add(schema, { id });
    return registry;
  }

  #convert(registry: z.core.$ZodRegistry<{ id: string }>): Record<string, object> {
    const options = { io: "input", target: this.#target, uri: (id: string) => `#/components/schemas/${id}` } as const;
    const { schemas } = z.toJSONSchema(registry, options);
    return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, Object(readable(schema))]));
  }
}

/** Leaves out what readers do not need: schema ids, and JavaScript's bounds of whole numbers. */
export function readable(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(readable);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([name, value]) => name !== "$schema" && name !== "$id" && !isSafeBound(value))
      .map(([name, value]) => [name, readable(value)]),
  );
}

function isSafeBound(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) === Number.MAX_SAFE_INTEGER;
}
