import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { z } from "zod";
import { PROBLEM_TYPE } from "../../contracts/http/problem.ts";

// Checks every answer that a test receives against `docs/openapi.yaml`.

const contentSchema = z.record(z.string(), z.object({ schema: z.unknown() }));
const operationSchema = z.object({
  operationId: z.string(),
  requestBody: z.object({ content: contentSchema }).optional(),
  responses: z.record(
    z.string(),
    z.object({ content: contentSchema.optional(), $ref: z.literal("#/components/responses/Problem").optional() }),
  ),
});
const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({
    responses: z.object({ Problem: z.object({ content: contentSchema }) }),
    schemas: z.record(z.string(), z.unknown()),
  }),
});

const text = readFileSync(new URL("../../docs/openapi.yaml", import.meta.url), "utf8");
const raw: unknown = parse(text);
const document = documentSchema.parse(raw);

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "api", components: { schemas: closed(document.components.schemas) } });

/** `GET /api/v1/alerts/{incident}` of each operation. */
const operations: ReadonlyMap<string, z.infer<typeof operationSchema>> = new Map(
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  ),
);

/** The statuses that each operation has answered with. */
const seen = new Map<string, Set<number>>([...operations.keys()].map((key) => [key, new Set()]));

/** Closes objects that name their members, so that an undocumented member is an error. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  if (typeof copy.$ref === "string") return { ...copy, $ref: copy.$ref.replace(/^#/, "api#") };
  // Rules are documented elsewhere, so their members are not named here.
  const named = "properties" in copy && copy.type === "object" && Object.keys(Object(copy.properties)).join() !== "id";
  return named ? { ...copy, additionalProperties: false } : copy;
}

/** The operation for a request. The path with the fewest parameters wins. */
function operationOf(method: string, path: string): string {
  const wanted = method === "HEAD" ? "GET" : method;
  const fits = [...operations.keys()]
    .filter((key) => key.startsWith(`${wanted} `))
    .filter((key) => {
      const pattern = key.slice(wanted.length + 1).replace(/\{\w+\}/g, "[^/]+");
      return new RegExp(`^${pattern}$`).test(path);
    })
    .sort((a, b) => a.split("{").length - b.split("{").length);
  const [found] = fits;
  if (found === undefined) throw new Error(`docs/openapi.yaml has no ${method} ${path}`);
  return found;
}

/** Throws when an answer does not match the document. Resolves to its JSON value, or its text. */
async function checkAnswer(method: string, url: string, answer: Response): Promise<unknown> {
  const key = operationOf(method, new URL(url).pathname);
  const response = operations.get(key)?.responses[answer.status];
  if (response === undefined)
    throw new Error(`${key} answered ${answer.status}, which docs/openapi.yaml does not list`);
  seen.get(key)?.add(answer.status);
  const body = await answer.text();
  const content = response.$ref === undefined ? response.content : document.components.responses.Problem.content;
  if (content === undefined || method === "HEAD") {
    if (body !== "") throw new Error(`${key}: ${answer.status} has a body`);
    return undefined;
  }
  const type = (answer.headers.get("content-type") ?? "").split(";", 1)[0] ?? "";
  const described = content[type];
  if (described === undefined) throw new Error(`${key}: ${answer.status} came as ${type}`);
  if (type !== "application/json" && type !== PROBLEM_TYPE) return body;
  const value: unknown = JSON.parse(body);
  const validate = ajv.compile(Object(closed(described.schema)));
  if (validate(value) !== true) {
    throw new Error(`${key} ${answer.status}: ${ajv.errorsText(validate.errors)} in ${body.slice(0, 800)}`);
  }
  return value;
}

export const describedApi = {
  text,
  raw,
  operations,
  /** Operations that never answered 200. */
  unseen: (): string[] => [...seen].filter(([, statuses]) => !statuses.has(200)).map(([key]) => key),
  checkAnswer,

  /** Sends a request and checks the answer against the document. */
  async ask(
    method: string,
    url: string,
    about: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<{ readonly status: number; readonly value: unknown }> {
    const headers = { ...(method === "POST" ? { "content-type": "application/json" } : {}), ...about.headers };
    const sent = about.body === undefined ? {} : { body: JSON.stringify(about.body) };
    const answer = await fetch(url, { method, headers, ...sent });
    return { status: answer.status, value: await checkAnswer(method, url, answer) };
  },
};
