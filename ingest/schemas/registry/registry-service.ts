import { SCHEMA_REGISTRY, SCHEMAS_CHANGED } from "../../../contracts/schemas.ts";
import type { Log } from "../../../platform/log/port.ts";
import { Registry } from "./registry.ts";
import { answerRegistry } from "./routes.ts";
import type { SchemaRecords } from "./schema-records.ts";

/** Answers requests to the schema registry. Returns a function that stops it. */
export function answerSchemas(
  log: Log,
  { records, onRefused }: { readonly records: SchemaRecords; readonly onRefused: (error: unknown) => void },
): () => void {
  const registry = new Registry(records, (subject) => log.bus.publish(SCHEMAS_CHANGED, { subject }));
  return log.bus.respond(
    SCHEMA_REGISTRY,
    ({ method, path, query, body }) => answerRegistry(registry, { method, path, query, body }),
    onRefused,
  );
}
