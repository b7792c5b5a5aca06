import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import { reasonOf } from "../../../domain/reason.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";

/** A parsed JSON Schema. */
export interface JsonSchema {
  readonly json: unknown;
  readonly validate: ValidateFunction;
}

const TEXT_MAX = 512 * 1_024;
const REFERENCE_TEXT_MAX = 1_000;

/** `strict` off: a schema written for other validators must not fail on a keyword that ours does not know. */
const OPTIONS = { strict: false, validateFormats: false, allErrors: false, logger: false } as const;

/** Parses a JSON Schema of draft 6, 7, 2019-09 or 2020-12; 7 without `$schema`. Throws `BadSchemaError`. */
export function parseJsonSchema(text: string, references: readonly { name: string; text: string }[] = []): JsonSchema {
  if (text.length > TEXT_MAX) throw new BadSchemaError(`it has more than ${TEXT_MAX} characters`);
  const json = jsonOf(text, "it");
  if (typeof json !== "boolean" && (typeof json !== "object" || json === null || Array.isArray(json))) {
    throw new BadSchemaError("a JSON Schema is an object or a boolean");
  }
  const ajv = validatorOf(json);
  try {
    for (const { name, text: other } of references) ajv.addSchema(jsonOf(other, name) as object, name);
    return { json, validate: ajv.compile(json) };
  } catch (cause) {
    throw new BadSchemaError(`not a JSON Schema: ${reasonOf(cause).slice(0, REFERENCE_TEXT_MAX)}`, { cause });
  }
}

function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadSchemaError(`${what} is not JSON: ${reasonOf(cause)}`, { cause });
  }
}

function validatorOf(json: unknown): Ajv {
  const draft = typeof json === "object" && json !== null && "$schema" in json ? String(json.$schema) : "";
  if (draft.includes("draft-04") || draft.includes("draft-03")) {
    throw new BadSchemaError(`${draft} is too old: write it as draft 7 or later`);
  }
  if (draft.includes("2020-12")) return new Ajv2020(OPTIONS);
  if (draft.includes("2019-09")) return new Ajv2019(OPTIONS);
  const ajv = new Ajv(OPTIONS);
  // Draft 6 differs from draft 7 by what it lacks.
  if (draft.includes("draft-06")) ajv.addMetaSchema({ $id: "http://json-schema.org/draft-06/schema#" });
  return ajv;
}

/** Which field breaks the schema, and how. */
export function jsonFault(error: ErrorObject): string {
  const path = error.instancePath.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
  const { params, message = "breaks the schema" } = error;
  const inner = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  const field = [path, ...(typeof inner === "string" ? [inner] : [])].filter((name) => name !== "").join(".");
  const what =
    params.missingProperty !== undefined ? "is missing" : inner !== undefined ? "is not in the schema" : message;
  const allowed = Array.isArray(params.allowedValues) ? ` (${params.allowedValues.slice(0, 10).join(", ")})` : "";
  return `${field === "" ? "the value" : `field ${field}`} ${what}${allowed}`;
}
