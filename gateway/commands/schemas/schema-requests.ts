import { z } from "zod";
import type { SchemaReply, SchemaRequest } from "../../../contracts/schemas.ts";
import { UsageError } from "../common/failures.ts";

/** Asks the registry. */
export type Ask = (request: SchemaRequest) => Promise<SchemaReply>;

/** A schema in a file. */
export interface GivenFile {
  readonly schema: string;
  readonly schemaType: string;
  readonly references: readonly { readonly name: string; readonly subject: string; readonly version: number }[];
}

export interface ShownSubject {
  readonly subject: string;
  readonly compatibility: string;
  readonly versions: readonly { readonly version: number; readonly id: number; readonly type: string }[];
}

const TYPES: Readonly<Record<string, string>> = { avsc: "AVRO", proto: "PROTOBUF", json: "JSON" };

/** Throws UsageError if neither the flag nor the file's name says it. */
export function schemaTypeOf(file: string, flag: string | undefined): string {
  const type = flag?.toUpperCase() ?? TYPES[file.slice(file.lastIndexOf(".") + 1).toLowerCase()];
  if (type !== undefined && Object.values(TYPES).includes(type)) return type;
  throw new UsageError(
    flag === undefined
      ? `${file} has none of the names .avsc, .proto and .json: say --type AVRO, PROTOBUF or JSON`
      : `--type ${flag} is none of ${Object.values(TYPES).join(", ")}`,
  );
}

/** `place.proto=place:2`. Throws UsageError. */
export function parseReference(text: string): GivenFile["references"][number] {
  const [, name = "", subject = "", version = ""] = /^(.+)=(.+):([1-9]\d{0,8})$/.exec(text) ?? [];
  if (name !== "") return { name, subject, version: Number(version) };
  throw new UsageError(`--reference ${text} is not name=subject:version; write for example place.proto=place:2`);
}

const versionAnswer = z.object({
  version: z.int(),
  id: z.int(),
  schema: z.string(),
  schemaType: z.string().default("AVRO"),
});

/** Throws UsageError with the registry's reason. */
export async function register(
  ask: Ask,
  subject: string,
  given: GivenFile,
): Promise<{ readonly id: number; readonly version: number }> {
  const path = ["subjects", subject, "versions"];
  await answered(ask, { method: "POST", path, body: given }, z.object({ id: z.int() }));
  const { id, version } = await answered(ask, { method: "POST", path: path.slice(0, 2), body: given }, versionAnswer);
  return { id, version };
}

/** The reasons why it may not follow. */
export async function check(
  ask: Ask,
  {
    subject,
    version,
    given,
  }: { readonly subject: string; readonly version: string | undefined; readonly given: GivenFile },
): Promise<readonly string[]> {
  const path = ["compatibility", "subjects", subject, "versions", ...(version === undefined ? [] : [version])];
  const answer = z.object({ messages: z.array(z.string()) });
  const { messages } = await answered(ask, { method: "POST", path, query: { verbose: "true" }, body: given }, answer);
  return messages;
}

export async function list(ask: Ask, only: string | undefined): Promise<ShownSubject[]> {
  const get = <Schema extends z.ZodType>(path: readonly string[], schema: Schema, query = {}) =>
    answered(ask, { method: "GET", path, query }, schema);
  const subjects = only === undefined ? await get(["subjects"], z.array(z.string())) : [only];
  const shown: ShownSubject[] = [];
  for (const subject of subjects) {
    const numbers = await get(["subjects", subject, "versions"], z.array(z.int()));
    const level = z.object({ compatibilityLevel: z.string() });
    const { compatibilityLevel } = await get(["config", subject], level, { defaultToGlobal: "true" });
    // Of each subject of many, the newest version only.
    const versions = [];
    for (const number of only === undefined ? numbers.slice(-1) : numbers) {
      const { version, id, schemaType } = await get(["subjects", subject, "versions", String(number)], versionAnswer);
      versions.push({ version, id, type: schemaType });
    }
    shown.push({ subject, compatibility: compatibilityLevel, versions });
  }
  return shown;
}

export async function versionText(ask: Ask, subject: string, version: string): Promise<string> {
  const path = ["subjects", subject, "versions", version];
  return (await answered(ask, { method: "GET", path }, versionAnswer)).schema;
}

async function answered<Schema extends z.ZodType>(
  ask: Ask,
  request: SchemaRequest,
  schema: Schema,
): Promise<z.output<Schema>> {
  const { status, body } = await ask(request);
  if (status === 200) return schema.parse(body);
  const refusal = z.object({ message: z.string() }).safeParse(body);
  throw new UsageError(refusal.success ? refusal.data.message : `the registry answered with status ${status}`);
}
