/** What is wrong in a schema, and where. */
export class BadSchemaError extends Error {
  override readonly name = "BadSchemaError";
}
