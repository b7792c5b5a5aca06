import { SchemaRegistry, SchemaType } from "@kafkajs/confluent-schema-registry";
import { COMPATIBILITY } from "@kafkajs/confluent-schema-registry/dist/constants.js";
import pino from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { startReadyFeed, type TestFeed, tokenFor } from "../../dashboard-feed/testing/test-kit.ts";
import { ingestConfigSchema } from "../../ingest/common/config.ts";
import { startIngest } from "../../ingest/ingest.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMetrics } from "../../platform/metrics.ts";

// A client of Confluent's Schema Registry that knows nothing of Weir, against a gateway's ingest and HTTP server.

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startRegistry(config: Parameters<typeof startReadyFeed>[0] = {}): Promise<TestFeed> {
  const feed = await startReadyFeed(config);
  const ingest = await startIngest(ingestConfigSchema.parse({}), {
    log: feed.log,
    partitions: 1,
    clock: systemClock,
    logger: pino({ level: "silent" }),
    metrics: createMetrics(),
  });
  stops.push(() => ingest.stop());
  return feed;
}

const AVRO = {
  type: SchemaType.AVRO,
  schema: JSON.stringify({ type: "record", name: "Boiler", fields: [{ name: "t", type: "double" }] }),
} as const;
const PROTO = {
  type: SchemaType.PROTOBUF,
  schema: 'syntax = "proto3"; package plant; message Boiler { double t = 1; string mode = 2; }',
} as const;
const JSON_SCHEMA = {
  type: SchemaType.JSON,
  schema: JSON.stringify({ type: "object", properties: { t: { type: "number" } }, required: ["t"] }),
} as const;

describe("a client of Confluent's registry", () => {
  test.each([
    ["AVRO", AVRO, { t: 21.5 }],
    ["PROTOBUF", PROTO, { t: 21.5, mode: "eco" }],
    ["JSON", JSON_SCHEMA, { t: 21.5 }],
  ])("registers a schema of type %s, and serializes by it", async (_name, schema, value) => {
    const { url } = await startRegistry();
    const client = new SchemaRegistry({ host: url });
    const { id } = await client.register(schema, { subject: "boiler-value" });
    expect(id).toBe(1);
    const encoded = await client.encode(id, value);
    expect([...encoded.subarray(0, 5)]).toEqual([0, 0, 0, 0, 1]);
    // A client that starts new asks for the schema by its id.
    const other = new SchemaRegistry({ host: url });
    expect({ ...(await other.decode(encoded)) }).toEqual(value);
    expect(await other.getLatestSchemaId("boiler-value")).toBe(1);
    expect(await other.getRegistryId("boiler-value", 1)).toBe(1);
    expect(await other.getRegistryIdBySchema("boiler-value", schema)).toBe(1);
    expect((await client.register(schema, { subject: "boiler-value" })).id).toBe(1);
  });

  test("is refused an incompatible version, with the reason", async () => {
    const { url } = await startRegistry();
    const client = new SchemaRegistry({ host: url });
    const options = { subject: "boiler-value", compatibility: COMPATIBILITY.FULL };
    await client.register(AVRO, options);
    const more = JSON.parse(AVRO.schema);
    more.fields.push({ name: "unit", type: "string" });
    const registered = client.register({ ...AVRO, schema: JSON.stringify(more) }, options);
    await expect(registered).rejects.toThrow(/incompatible.*unit: the writer's schema lacks this field/);
    more.fields[1].default = "degC";
    const { id } = await client.register({ ...AVRO, schema: JSON.stringify(more) }, options);
    expect(id).toBe(2);
  });

  test("gets the answers for what does not exist", async () => {
    const { url } = await startRegistry();
    const client = new SchemaRegistry({ host: url, retry: { retries: 0 } });
    await expect(client.getLatestSchemaId("none")).rejects.toThrow("Subject 'none' not found");
    await expect(client.getSchema(99)).rejects.toThrow("Schema 99 not found");
  });

  test("sends a token as its password; only an admin's may change anything", async () => {
    const [reader, admin] = [tokenFor({ name: "reader" }), tokenFor({ name: "ops", admin: true })];
    const { url } = await startRegistry({ config: { tokens: [reader.config, admin.config] } });
    const as = (password: string) =>
      new SchemaRegistry({ host: url, auth: { username: "any", password }, retry: { retries: 0 } });
    await expect(as("wrong").getLatestSchemaId("a")).rejects.toMatchObject({ status: 401 });
    await expect(as(reader.secret).register(AVRO, { subject: "a" })).rejects.toMatchObject({ status: 403 });
    expect((await as(admin.secret).register(AVRO, { subject: "a" })).id).toBe(1);
    expect(await as(reader.secret).getLatestSchemaId("a")).toBe(1);
  });
});

test("subjects whose names hold slashes, bodies that are no JSON, and pages of other sites", async () => {
  const { url } = await startRegistry();
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/vnd.schemaregistry.v1+json", ...headers },
      body,
    });
  const body = JSON.stringify({ schema: AVRO.schema });
  const registered = await post("/subjects/plant%2Fboiler/versions", body);
  expect(registered.headers.get("content-type")).toBe("application/vnd.schemaregistry.v1+json");
  expect(await registered.json()).toEqual({ id: 1 });
  expect(await (await fetch(`${url}/subjects`)).json()).toEqual(["plant/boiler"]);
  expect(await (await fetch(`${url}/schemas/ids/1/schema`)).text()).toBe(AVRO.schema);
  expect((await post("/subjects/a/versions", "{")).status).toBe(400);
  expect((await post("/subjects/a/versions", "a=b", { "content-type": "text/plain" })).status).toBe(415);
  expect((await post("/subjects/a/versions", body, { origin: "https://elsewhere.example" })).status).toBe(403);
  expect((await post("/subjects/a/versions", JSON.stringify({ schema: "x".repeat(600_000) }))).status).toBe(413);
});

test("without an ingest, the answer says what to start", async () => {
  const { url } = await startReadyFeed();
  const answer = await fetch(`${url}/subjects`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ error_code: 503, message: expect.stringContaining("edge service") });
});
