import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Records } from "../../platform/log/port.ts";
import { type GivenSchema, Registry } from "../schemas/registry/registry.ts";
import { SchemaRecords } from "../schemas/registry/schema-records.ts";
import { SchemaReader } from "../schemas/use/schema-reader.ts";

/** A reader of payloads whose registry has these schemas, each the first version of its subject; ids are from 1. */
export async function schemasWith(
  given: readonly (Pick<GivenSchema, "schema" | "schemaType"> & { readonly subject: string })[],
  records: Records = createMemoryLog({ nowUs: () => 0 }).records,
): Promise<{ readonly schemas: SchemaReader; readonly registry: Registry; readonly records: SchemaRecords }> {
  const own = new SchemaRecords(records);
  const registry = new Registry(own, () => {});
  for (const { subject, ...schema } of given) {
    const { id } = await registry.register(subject, { ...schema, references: [] });
    await own.load(id);
  }
  return { schemas: new SchemaReader(own), registry, records: own };
}
