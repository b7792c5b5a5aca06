import { z } from "zod";
import { type Plain, question, report } from "./question.ts";

/** A request to the schema registry, as it arrived over HTTP. */
export const schemaRequestSchema = z.strictObject({
  method: z.enum(["GET", "POST", "PUT", "DELETE"]),
  /** Decoded segments: `["subjects", "boiler", "versions"]`. */
  path: z.array(z.string().max(1_024)).min(1).max(8),
  query: z.record(z.string(), z.string()).default({}),
  body: z.unknown().optional(),
});

/** The registry's answer: the body is JSON, or text where the request asks for a schema's own text. */
export const schemaReplySchema = z.object({ status: z.int().min(200).max(599), body: z.unknown() });

export type SchemaRequest = Plain<z.input<typeof schemaRequestSchema>>;
export type SchemaReply = Plain<z.infer<typeof schemaReplySchema>>;

/** Answered by the ingest, which owns the registry. */
export const SCHEMA_REGISTRY = question("schemas.registry", { ask: schemaRequestSchema, answer: schemaReplySchema });

/** A subject has a new version, or one less: gateways read the index again. */
export const SCHEMAS_CHANGED = report("schemas.changed", z.object({ subject: z.string() }));
