import { stringify } from "yaml";
import { z } from "zod";
import { NAMED_SCHEMAS } from "./answer-schemas.ts";
import { API, type Operation } from "./operations.ts";
import { PROBLEM_TYPE } from "./problem.ts";

const PARAMETERS: Readonly<Record<string, { readonly description: string; readonly schema: object }>> = {
  incident: { description: "An incident's id, URL-encoded.", schema: { type: "string" } },
  id: { description: "A silence's id.", schema: { type: "string" } },
  sequence: { description: "A letter's number.", schema: { type: "integer", minimum: 1 } },
};

const DESCRIPTION = `The HTTP API of a Weir gateway. Live data come over the WebSocket at \`/feed\`, which asyncapi.yaml describes.

Instants are whole microseconds since 1970, in names that end in \`Us\`. Parameters \`from\` and \`to\` take ISO 8601, milliseconds
or microseconds. Errors are problem documents (RFC 9457). GET answers have an ETag, and may be asked for with HEAD.

Where tokens are configured, each request shows one: \`Authorization: Bearer ...\`. Orders (POST, DELETE) need a token with
\`admin: true\`; without tokens they are taken on a loopback address only. They come from Weir's own page or from programs:
requests of other pages are refused, and POST takes \`application/json\` alone.
`;

/** OpenAPI 3.1. The schemas are those by which the implementation itself reads, where it reads. */
export function openApiDocument(version: string): Record<string, unknown> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED_SCHEMAS)) registry.add(schema, { id });
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [key, operation] of Object.entries(API)) {
    const [method = "", path = ""] = key.split(" ");
    const item = paths[path] ?? {};
    item[method.toLowerCase()] = operationOf({ method, path, operation });
    paths[path] = item;
  }
  const { schemas } = z.toJSONSchema(registry, { io: "input", uri: (id) => `#/components/schemas/${id}` });
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
        token: { type: "http", scheme: "bearer", description: "Not needed where no tokens are configured." },
      },
      responses: {
        Problem: {
          description: "Something is wrong.",
          content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
      schemas: plain(schemas),
    },
  };

  function operationOf(about: { method: string; path: string; operation: Operation }): Record<string, unknown> {
    const { method, path, operation } = about;
    const { id, tag, summary, description, filter, body, open } = operation;
    const words = [
      description,
      filter === undefined
        ? undefined
        : `Any other parameter is a filter: ${filter}. Globs are taken; one given several times is a list.`,
    ];
    const parameters = [...pathParameters(path), ...queryParameters(operation)];
    return {
      operationId: id,
      tags: [tag],
      summary,
      ...(words.some((text) => text !== undefined)
        ? { description: words.filter((text) => text !== undefined).join(" ") }
        : {}),
      ...(open ? { security: [] } : {}),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(body === undefined
        ? {}
        : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body) } } } }),
      responses: responsesOf(method, path, operation),
    };
  }

  function responsesOf(method: string, path: string, operation: Operation): Record<string, unknown> {
    const { answer, more = {}, open } = operation;
    const content =
      answer === "text/plain"
        ? { "text/plain": { schema: { type: "string" } } }
        : { "application/json": { schema: schemaOf(answer) } };
    const api = path.startsWith("/api/");
    const problems: Record<number, string> = {
      ...(api ? { 400: "A parameter or the body is wrong: the answer says which, and how." } : {}),
      ...(open ? {} : { 401: "A token is needed, or not known." }),
      403: api
        ? "The token does not allow this; or the request is for another host, or an order from another page."
        : "The request is for another host, or the token does not allow this.",
      405: "This method is not possible here.",
      ...(api ? { 414: "The URL is too long." } : {}),
      ...(method === "POST" ? { 413: "The body is too large.", 415: "The body is no application/json." } : {}),
      ...more,
    };
    return {
      200: { description: "OK", content },
      ...(method === "GET" && api ? { 304: { description: "Not changed since `If-None-Match`." } } : {}),
      ...(path === "/readyz" ? { 503: { description: "Not ready.", content } } : {}),
      ...Object.fromEntries(
        Object.entries(problems).map(([status, description]) => [
          status,
          { $ref: "#/components/responses/Problem", description },
        ]),
      ),
    };
  }

  function schemaOf(schema: z.ZodType): unknown {
    const named = Object.entries(NAMED_SCHEMAS).find(([, each]) => each === schema);
    if (named !== undefined) return { $ref: `#/components/schemas/${named[0]}` };
    // By itself in a registry of all, so that what is named in it becomes a reference.
    const all = z.registry<{ id: string }>();
    for (const [id, each] of Object.entries(NAMED_SCHEMAS)) all.add(each, { id });
    all.add(schema, { id: "this" });
    return plain(z.toJSONSchema(all, { io: "input", uri: (id) => `#/components/schemas/${id}` }).schemas.this);
  }
}

/** The document as `docs/openapi.yaml` has it. */
export function openApiText(version: string): string {
  return stringify(openApiDocument(version), { lineWidth: 0, blockQuote: "literal", aliasDuplicateObjects: false });
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    ...PARAMETERS[name],
  }));
}

const propertiesSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })),
  required: z.array(z.string()).default([]),
});

function queryParameters({ query, filter }: Operation): object[] {
  if (query === undefined) return [];
  const { properties, required } = propertiesSchema.parse(plain(z.toJSONSchema(query, { io: "input" })));
  const named = Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    ...(required.includes(name) ? { required: true } : {}),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
  if (filter === undefined) return named;
  const one = { type: "string" };
  const schema = { type: "object", additionalProperties: { oneOf: [one, { type: "array", items: one }] } };
  return [...named, { name: "filter", in: "query", style: "form", explode: true, description: `${filter}.`, schema }];
}

/** Without what says nothing to a reader: schema ids, and the bound of whole numbers in JavaScript. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(
        ([name, value]) =>
          name !== "$schema" &&
          name !== "$id" &&
          !(typeof value === "number" && Math.abs(value) === Number.MAX_SAFE_INTEGER),
      )
      .map(([name, value]) => [name, plain(value)]),
  );
}
