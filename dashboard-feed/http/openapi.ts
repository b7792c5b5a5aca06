import { stringify } from "yaml";
import { z } from "zod";
import { PROBLEM_TYPE } from "../../contracts/http/problem.ts";
import { NAMED_SCHEMAS } from "../../contracts/http/schemas.ts";
import { readable, SchemaDocument } from "../common/json-schema.ts";
import type { Operation } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";

const DESCRIPTION = `The HTTP API of a Weir gateway. Live data is on the WebSocket at \`/feed\`, which asyncapi.yaml describes.

Instants are whole microseconds since 1970, in names that end in \`Us\`. Parameters \`from\` and \`to\` accept ISO 8601, milliseconds
or microseconds. Errors are problem documents (RFC 9457). GET answers have an ETag; HEAD works wherever GET does.

If tokens are configured, each request must have one: \`Authorization: Bearer ...\`. Orders (POST, DELETE) need a token with
\`admin: true\`; without tokens they work on a loopback address only. They come from Weir's own page or from programs: the
gateway refuses orders from other pages, and POST accepts only \`application/json\`.
`;

const schemas = new SchemaDocument(NAMED_SCHEMAS, "draft-2020-12");

/** The document, as in `docs/openapi.yaml`. */
export function openApiText(version: string): string {
  return stringify(openApiDocument(version), { lineWidth: 0, blockQuote: "literal", aliasDuplicateObjects: false });
}

/** OpenAPI 3.1, generated from the operations and from the schemas that the server itself uses. */
function openApiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    const item = paths[operation.path] ?? {};
    item[operation.method.toLowerCase()] = operationOf(operation);
    paths[operation.path] = item;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Weir",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description: DESCRIPTION,
    },
    servers: [{ url: "http://localhost:8080" }],
    security: [{ token: [] }, {}],
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "Not needed if no tokens are configured." },
      },
      responses: {
        Problem: {
          description: "Something is wrong.",
          content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
      schemas: schemas.components(),
    },
  };
}

function operationOf(operation: Operation): Record<string, unknown> {
  const { id, tag, summary, scope, body, example } = operation;
  const description = descriptionOf(operation);
  const parameters = [...pathParameters(operation), ...queryParameters(operation)];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === "" ? {} : { description }),
    ...(scope === "open" ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: schemas.schemaOf(body), example: example.body } },
          },
        }),
    responses: { ...answersOf(operation), ...problemsOf(operation) },
  };
}

function descriptionOf({ description, filter, scope }: Operation): string {
  const texts = [description];
  if (filter !== undefined) {
    texts.push(`Any other parameter is a filter: ${filter}. Globs work; a parameter given several times is a list.`);
  }
  if (scope !== "open") {
    const sites = scope.allSitesOnly ? " and all sites" : "";
    texts.push(`For tokens that show \`${scope.channels.join("` or `")}\`${sites}.`);
  }
  return texts.filter((text) => text !== undefined).join(" ");
}

function answersOf({ method, path, answer, answerAlso = {} }: Operation): Record<string, unknown> {
  const content =
    answer === "text/plain"
      ? { "text/plain": { schema: { type: "string" } } }
      : { "application/json": { schema: schemas.schemaOf(answer) } };
  const isCacheable = method === "GET" && path.startsWith("/api/");
  return {
    200: { description: "OK", content },
    ...(isCacheable ? { 304: { description: "Not changed since `If-None-Match`." } } : {}),
    ...Object.fromEntries(
      Object.entries(answerAlso).map(([status, description]) => [status, { description, content }]),
    ),
  };
}

/** The problems that every operation of this kind can have, and the operation's own. */
function problemsOf({ method, path, scope, problems = {} }: Operation): Record<string, unknown> {
  const isApi = path.startsWith("/api/");
  const all: Record<number, string> = {
    ...(isApi ? { 400: "A parameter or the body is wrong. The answer names it and the fault." } : {}),
    ...(scope === "open" ? {} : { 401: "The token is missing or unknown." }),
    403: isApi
      ? "The token does not allow this, the request names another host, or it is an order from another page."
      : "The request names another host, or the token does not allow this.",
    405: "This path does not have this method.",
    ...(isApi ? { 414: "The URL is too long." } : {}),
    ...(method === "POST" ? { 413: "The body is too large.", 415: "The body is not application/json." } : {}),
    ...problems,
  };
  return Object.fromEntries(
    Object.entries(all).map(([status, description]) => [
      status,
      { $ref: "#/components/responses/Problem", description },
    ]),
  );
}

const propertiesSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })),
  required: z.array(z.string()).default([]),
});

function parametersOf(place: "path" | "query", schema: z.ZodObject, examples: Readonly<Record<string, unknown>> = {}) {
  const { properties, required } = propertiesSchema.parse(readable(z.toJSONSchema(schema, { io: "input" })));
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    ...(required.includes(name) ? { required: true } : {}),
    ...(description === undefined ? {} : { description }),
    schema,
    ...(examples[name] === undefined ? {} : { example: examples[name] }),
  }));
}

function pathParameters({ params, example }: Operation): object[] {
  return parametersOf("path", params, example.params);
}

function queryParameters({ query, filter, example }: Operation): object[] {
  const named = parametersOf("query", query, example.query);
  if (filter === undefined) return named;
  const one = { type: "string" };
  const schema = { type: "object", additionalProperties: { oneOf: [one, { type: "array", items: one }] } };
  return [...named, { name: "filter", in: "query", style: "form", explode: true, description: `${filter}.`, schema }];
}
