import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { z } from "zod";
import { CHANNEL_KINDS, isChannel } from "../../contracts/feed/channels.ts";

// Checks every frame that a test client sends or receives against `docs/asyncapi.yaml`.

const reference = z.object({ $ref: z.string() });
const documentSchema = z.object({
  channels: z.object({ feed: z.object({ messages: z.record(z.string(), reference) }) }),
  operations: z.record(z.string(), z.object({ action: z.string(), messages: z.array(reference) })),
  components: z.object({
    messages: z.record(
      z.string(),
      z.object({
        payload: reference,
        examples: z.array(z.object({ name: z.string().optional(), payload: z.unknown() })).min(1),
      }),
    ),
    schemas: z.record(z.string(), z.unknown()),
  }),
});

const text = readFileSync(new URL("../../docs/asyncapi.yaml", import.meta.url), "utf8");
const raw: unknown = parse(text);
const document = documentSchema.parse(raw);
const { messages, schemas } = document.components;

const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "feed", components: { schemas: closed(schemas) } });
const exercised = new Set<string>();

/**
 * Closes objects that name their members. An undocumented member is an error in tests, although clients should ignore
 * it.
 */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const named = "properties" in copy && "type" in copy && !("additionalProperties" in copy);
  return named ? { ...copy, additionalProperties: false } : copy;
}

/** Why a value does not match a schema of the document; undefined when it does. */
function wrongBy(schema: string, value: unknown): string | undefined {
  const validate = ajv.getSchema(`feed#/components/schemas/${schema}`);
  if (validate === undefined) throw new Error(`no schema ${schema}`);
  if (validate(value) === true) return undefined;
  return `${schema}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value).slice(0, 400)}`;
}

/** Names of the messages that the server receives, or that it sends. */
function namesOf(action: "receive" | "send"): string[] {
  return Object.values(document.operations)
    .filter((operation) => operation.action === action)
    .flatMap((operation) => operation.messages.map(({ $ref }) => $ref.split("/").at(-1) ?? ""));
}

function payloadOf(message: string): string {
  return messages[message]?.payload.$ref.split("/").at(-1) ?? "";
}

const itemsFrame = z.object({ cursor: z.string(), items: z.array(z.unknown()) });

export const described = {
  text,
  raw,
  document,
  namesOf,
  payloadOf,
  wrongBy,
  /** The schemas that were used to check a frame or an item. */
  exercised,

  /** Throws when a frame does not match the document. */
  check(action: "receive" | "send", frame: unknown): void {
    const { type } = z.object({ type: z.string() }).parse(frame);
    if (!namesOf(action).includes(type)) throw new Error(`docs/asyncapi.yaml has no ${type} to ${action}`);
    expectRight(payloadOf(type), frame);
    const parsed = itemsFrame.safeParse(frame);
    if (!parsed.success) return;
    // The cursor names the channel.
    const channel = parsed.data.cursor.split(":")[0] ?? "";
    if (!isChannel(channel)) throw new Error(`the cursor ${parsed.data.cursor} names no channel`);
    for (const item of parsed.data.items) expectRight(CHANNEL_KINDS[channel].itemName, item);
  },
};

function expectRight(schema: string, value: unknown): void {
  exercised.add(schema);
  const wrong = wrongBy(schema, value);
  if (wrong !== undefined) throw new Error(`docs/asyncapi.yaml does not allow it: ${wrong}`);
}
