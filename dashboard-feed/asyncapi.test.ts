import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { clientFrameSchema, serverFrameSchema } from "./frames.ts";
import {
  alertChangeSchema,
  deviceItemSchema,
  readingItemSchema,
  statsItemSchema,
  windowResultSchema,
} from "./items.ts";
import { CHANNELS } from "./protocol.ts";

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

const text = await readFile(new URL("../docs/asyncapi.yaml", import.meta.url), "utf8");
const raw: unknown = parse(text);
const description = documentSchema.parse(raw);
const { messages } = description.components;

const frameTypes = (schema: typeof clientFrameSchema | typeof serverFrameSchema) =>
  schema.options.map((option) => option.shape.type.value);

describe("docs/asyncapi.yaml", () => {
  it("describes each frame, and on the right side", () => {
    const client = frameTypes(clientFrameSchema);
    const server = frameTypes(serverFrameSchema);
    expect(Object.keys(messages).sort()).toEqual([...client, ...server].sort());
    expect(Object.keys(description.channels.feed.messages).sort()).toEqual([...client, ...server].sort());
    const namesOf = (action: string) =>
      Object.values(description.operations)
        .filter((operation) => operation.action === action)
        .flatMap((operation) => operation.messages.map(({ $ref }) => $ref.split("/").at(-1)));
    expect(namesOf("receive").sort()).toEqual([...client].sort());
    expect(namesOf("send").sort()).toEqual([...server].sort());
  });

  const examples = Object.entries(messages).flatMap(([name, message]) =>
    message.examples.map((example, i) => ({ name, title: example.name ?? String(i), payload: example.payload })),
  );

  it.each(examples)("has an example that is what it says: $name, $title", ({ name, payload }) => {
    const isClient = frameTypes(clientFrameSchema).some((type) => type === name);
    const frame = (isClient ? clientFrameSchema : serverFrameSchema).parse(payload);
    expect(frame.type).toBe(name);
    // What is parsed is all that was written: no member of an example is one that the implementation does not know.
    expect(frame).toEqual(payload);
  });

  it("has an example of the items of each channel", () => {
    const items = examples.flatMap(({ payload }) => {
      const found = z.object({ items: z.array(z.unknown()) }).safeParse(payload);
      return found.success ? found.data.items : [];
    });
    const schemas = {
      windows: windowResultSchema,
      alerts: alertChangeSchema,
      readings: readingItemSchema,
      devices: deviceItemSchema,
      stats: statsItemSchema,
    };
    for (const channel of CHANNELS) {
      expect(
        items.some((item) => schemas[channel].safeParse(item).success),
        channel,
      ).toBe(true);
    }
  });

  it("names the same members of items and frames as the implementation", () => {
    const schemas = description.components.schemas;
    const described = {
      WindowResult: windowResultSchema,
      AlertChange: alertChangeSchema,
      ReadingItem: readingItemSchema,
      DeviceItem: deviceItemSchema,
      StatsItem: statsItemSchema,
      Subscribe: clientFrameSchema.options[0],
      Unsubscribe: clientFrameSchema.options[1],
    };
    for (const [name, schema] of Object.entries(described)) {
      const { properties } = z.object({ properties: z.record(z.string(), z.unknown()) }).parse(schemas[name]);
      expect(Object.keys(properties).sort(), name).toEqual(Object.keys(schema.shape).sort());
    }
    expect(schemas.Channel).toMatchObject({ enum: [...CHANNELS] });
  });

  it("has no reference into nothing", () => {
    const references = [...text.matchAll(/\$ref: ["']#\/([^"']+)["']/g)].map(([, path]) => path ?? "");
    expect(references.length).toBeGreaterThan(20);
    for (const path of references) {
      const found = path.split("/").reduce<unknown>((at, name) => Object(at)[name], raw);
      expect(found, path).toBeDefined();
    }
  });
});
