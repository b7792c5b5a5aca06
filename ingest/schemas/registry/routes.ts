import { z } from "zod";
import type { SchemaReply } from "../../../contracts/schemas.ts";
import { SCHEMA_KINDS } from "../kinds.ts";
import type { GivenSchema, Registry, SubjectVersion } from "./registry.ts";
import { RegistryError, schemaNotFound, subjectNotFound } from "./registry-error.ts";
import { liveVersions, type RegistryIndex } from "./registry-index.ts";
import type { RegistryRoute } from "./route.ts";
import { SETTINGS_ROUTES } from "./settings-routes.ts";

const givenSchema = z.object({
  schema: z.string(),
  schemaType: z.string().nullish(),
  references: z
    .array(z.object({ name: z.string(), subject: z.string(), version: z.int() }))
    .max(50)
    .nullish(),
});

function givenOf(body: unknown): GivenSchema {
  const parsed = givenSchema.safeParse(body);
  if (!parsed.success) throw new RegistryError(42_201, 'Invalid schema: the body is not {"schema": "..."}');
  const { schema, schemaType, references } = parsed.data;
  return { schema, schemaType: schemaType ?? "AVRO", references: references ?? [] };
}

/** As Confluent's registry: the type is left out for Avro. */
function schemaOf({ known: { type, text, references } }: Pick<SubjectVersion, "known">): object {
  return {
    ...(type === "AVRO" ? {} : { schemaType: type }),
    schema: text,
    ...(references.length === 0 ? {} : { references }),
  };
}

function versionOf({ subject, version, id, known }: SubjectVersion): object {
  return { subject, version, id, ...schemaOf({ known }) };
}

function isSet(query: Readonly<Record<string, string>>, name: string): boolean {
  return query[name] === "true";
}

function subjectsOf(index: RegistryIndex, query: Readonly<Record<string, string>>): string[] {
  const prefix = (query.subjectPrefix ?? "").replace(/^:\*:/, "");
  return Object.keys(index.versions)
    .filter((subject) => subject.startsWith(prefix))
    .filter((subject) => isSet(query, "deleted") || liveVersions(index, subject).length > 0)
    .sort();
}

/** Where a schema is a version, of all subjects. */
function placesOf(index: RegistryIndex, id: number): { subject: string; version: number }[] {
  return Object.keys(index.versions).flatMap((subject) =>
    liveVersions(index, subject)
      .filter((each) => each.id === id)
      .map(({ version }) => ({ subject, version })),
  );
}

function idOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,9}$/.test(text)) throw schemaNotFound(text);
  return Number(text);
}

/** The routes of Confluent's Schema Registry, with its answers, so that its clients and serializers work. */
export const REGISTRY_ROUTES: readonly RegistryRoute[] = [
  {
    method: "GET",
    path: "subjects",
    handle: async ({ registry, query }) => subjectsOf(await registry.records.refresh(), query),
  },
  {
    method: "GET",
    path: "subjects/*/versions",
    async handle({ registry, names: [subject = ""], query }) {
      const index = await registry.records.refresh();
      const versions = isSet(query, "deleted") ? (index.versions[subject] ?? []) : liveVersions(index, subject);
      if (versions.length === 0) throw subjectNotFound(subject);
      return versions.map(({ version }) => version);
    },
  },
  {
    method: "POST",
    path: "subjects/*/versions",
    async handle({ registry, names: [subject = ""], body }) {
      const { id } = await registry.register(subject, givenOf(body));
      return { id };
    },
  },
  {
    method: "POST",
    path: "subjects/*",
    handle: async ({ registry, names: [subject = ""], body }) => versionOf(await registry.find(subject, givenOf(body))),
  },
  {
    method: "DELETE",
    path: "subjects/*",
    handle: ({ registry, names: [subject = ""], query }) =>
      registry.remove(subject, undefined, isSet(query, "permanent")),
  },
  {
    method: "GET",
    path: "subjects/*/versions/*",
    handle: async ({ registry, names: [subject = "", version = ""] }) =>
      versionOf(await registry.version(subject, version)),
  },
  {
    method: "GET",
    path: "subjects/*/versions/*/schema",
    handle: async ({ registry, names: [subject = "", version = ""] }) =>
      (await registry.version(subject, version)).known.text,
  },
  {
    method: "DELETE",
    path: "subjects/*/versions/*",
    async handle({ registry, names: [subject = "", version = ""], query }) {
      const [removed] = await registry.remove(subject, version, isSet(query, "permanent"));
      return removed;
    },
  },
  { method: "GET", path: "schemas/types", handle: async () => Object.keys(SCHEMA_KINDS) },
  {
    method: "GET",
    path: "schemas/ids/*",
    handle: async ({ registry, names: [id] }) => schemaOf({ known: await registry.byId(idOf(id)) }),
  },
  {
    method: "GET",
    path: "schemas/ids/*/schema",
    handle: async ({ registry, names: [id] }) => (await registry.byId(idOf(id))).text,
  },
  {
    method: "GET",
    path: "schemas/ids/*/versions",
    async handle({ registry, names: [id] }) {
      const known = await registry.byId(idOf(id));
      return placesOf(await registry.records.refresh(), known.id);
    },
  },
  {
    method: "GET",
    path: "schemas/ids/*/subjects",
    async handle({ registry, names: [id] }) {
      const known = await registry.byId(idOf(id));
      return [...new Set(placesOf(await registry.records.refresh(), known.id).map(({ subject }) => subject))];
    },
  },
  {
    method: "POST",
    path: "compatibility/subjects/*/versions",
    handle: ({ registry, names: [subject = ""], query, body }) => checked(registry, { subject, query, body }),
  },
  {
    method: "POST",
    path: "compatibility/subjects/*/versions/*",
    handle: ({ registry, names: [subject = "", version], query, body }) =>
      checked(registry, { subject, version, query, body }),
  },
  ...SETTINGS_ROUTES,
];

async function checked(
  registry: Registry,
  asked: {
    readonly subject: string;
    readonly version?: string | undefined;
    readonly query: Readonly<Record<string, string>>;
    readonly body: unknown;
  },
): Promise<object> {
  const reasons = await registry.check(asked.subject, givenOf(asked.body), asked.version);
  return {
    is_compatible: reasons.length === 0,
    ...(isSet(asked.query, "verbose") ? { messages: reasons } : {}),
  };
}

export interface RegistryRequest {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Answers a request. Refusals are answers; rejects only when the log fails. */
export async function answerRegistry(registry: Registry, request: RegistryRequest): Promise<SchemaReply> {
  const { method, path, query, body } = request;
  for (const route of REGISTRY_ROUTES) {
    const names = route.method === method ? matched(route.path.split("/"), path) : undefined;
    if (names === undefined) continue;
    try {
      return { status: 200, body: await route.handle({ registry, names, query, body }) };
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return { status: error.status, body: { error_code: error.code, message: error.message } };
    }
  }
  return { status: 404, body: { error_code: 404, message: `HTTP 404 Not Found: ${method} /${path.join("/")}` } };
}

function matched(pattern: readonly string[], path: readonly string[]): string[] | undefined {
  if (pattern.length !== path.length) return undefined;
  const names: string[] = [];
  for (const [i, part] of pattern.entries()) {
    const actual = path[i] ?? "";
    if (part === "*") names.push(actual);
    else if (part !== actual) return undefined;
  }
  return names;
}
