import avsc from "avsc";
import protobuf from "protobufjs";
import { afterEach, describe, expect, test } from "vitest";
import { DEAD_LETTERS_RETRY } from "../../../contracts/dead-letters.ts";
import { SCHEMA_REGISTRY, type SchemaReply } from "../../../contracts/schemas.ts";
import { ingestConfigSchema } from "../../common/config.ts";
import { deadLetters, ingest, log, publish, readings, start, storedValues } from "../../testing/ingest-kit.ts";
import { Registry } from "../registry/registry.ts";
import { SchemaRecords } from "../registry/schema-records.ts";

afterEach(() => ingest.stop());

function boiler(...fields: readonly object[]) {
  return { type: "record", name: "Boiler", fields: [{ name: "t", type: "int" }, ...fields] };
}

async function register(subject: string, schema: unknown, schemaType = "AVRO"): Promise<number> {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  const body = { schema: text, schemaType };
  const path = ["subjects", subject, "versions"];
  const reply: SchemaReply = await log.bus.request(SCHEMA_REGISTRY, { method: "POST", path, body });
  expect(reply).toMatchObject({ status: 200 });
  return (reply.body as { id: number }).id;
}

function framed(id: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(id, 1);
  return Buffer.concat([header, body]);
}

function avro(id: number, schema: object, value: unknown): Uint8Array {
  return framed(id, avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value));
}

describe("Avro by its schema", () => {
  const V1 = boiler();
  const V2 = boiler({ name: "unit", type: "string", default: "degC" });
  const sources = [{ topic: "a/{device}", format: "avro", schema: "boiler" }];

  test("old and new devices side by side, while the new version is registered, also by another gateway", async () => {
    await start({}, { sources });
    const first = await register("boiler", V1);
    const other = new Registry(new SchemaRecords(log.records), () => {});
    const sent: Promise<unknown>[] = [];
    let second = 0;
    for (let i = 0; i < 2_000; i++) {
      if (i === 1_000) {
        const given = { schema: JSON.stringify(V2), schemaType: "AVRO", references: [] };
        second = (await other.register("boiler", given)).id;
      }
      sent.push(publish("a/old", avro(first, V1, { t: i })));
      if (second > 0) sent.push(publish("a/new", avro(second, V2, { t: i, unit: "degF" })));
      // A turn of the event loop now and then, as between messages of a network.
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent);
    expect(await deadLetters()).toEqual([]);
    const stored = await storedValues();
    expect(stored.filter(([device, metric]) => device === "old" && metric === "t")).toHaveLength(2_000);
    expect(stored.filter(([device, metric]) => device === "new" && metric === "t")).toHaveLength(1_000);
    expect(stored.filter(([device, metric]) => device === "new" && metric === "unit")).toHaveLength(1_000);
    // An old device's readings have the new field's default, from when the newest version is known.
    expect(stored.filter(([device, , value]) => device === "old" && value === "degC").length).toBeGreaterThan(0);
  }, 30_000);

  test("a payload that breaks its schema is a dead letter that names the field", async () => {
    await start({}, { sources });
    const enums = boiler({ name: "mode", type: { type: "enum", name: "Mode", symbols: ["ECO", "BOOST"] } });
    const id = await register("boiler", enums);
    await publish("a/b1", framed(id, Buffer.from([2, 10])));
    await publish("a/b1", framed(id, Buffer.from([2])));
    await publish("a/b1", Buffer.from([7, 7]));
    expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
      "not Avro by its schema: enum Mode has no symbol 5",
      expect.stringContaining("it ends after 1 bytes"),
      expect.stringContaining("does not begin with a zero byte"),
    ]);
  });

  test("the id of another subject's schema, and one that nobody knows, are refused; a retry reads them once known", async () => {
    await start({}, { sources });
    await register("boiler", V1);
    const kiln = await register("kiln", V2);
    await publish("a/b1", avro(kiln, V2, { t: 1, unit: "x" }));
    await publish("a/b1", avro(99, V1, { t: 1 }));
    expect((await deadLetters()).map(({ letter }) => [letter.reason, letter.detail])).toEqual([
      ["unknown-schema", `the payload's schema ${kiln} is no version of boiler`],
      ["unknown-schema", "the payload's schema 99 is no version of boiler"],
    ]);
    expect(await register("boiler", V2)).toBe(kiln);
    const report = await log.bus.request(DEAD_LETTERS_RETRY, { by: "ann", sequences: [1] });
    expect(report.results).toMatchObject([{ outcome: "stored" }]);
    expect(await storedValues()).toEqual([
      ["b1", "t", 1],
      ["b1", "unit", "x"],
    ]);
  });

  test("without the subject in the registry, the letter says what to do", async () => {
    await start({}, { sources });
    await publish("a/b1", avro(1, V1, { t: 1 }));
    expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
      "the registry has no version of boiler: add it with `weir schemas register`",
    ]);
  });

  test("bare Avro, where the source says so", async () => {
    await start({}, { sources: [{ ...sources[0], schema: { subject: "boiler", version: 1, header: "none" } }] });
    await register("boiler", V1);
    await register("boiler", V2);
    await publish("a/b1", avsc.Type.forSchema(V1 as avsc.Schema).toBuffer({ t: 21 }));
    expect(await storedValues()).toEqual([["b1", "t", 21]]);
  });
});

describe("Protobuf by its schema", () => {
  const FILE = `syntax = "proto3"; package plant;
    message Boiler { int64 ts = 1; double temperature = 2; Mode mode = 3; enum Mode { ECO = 0; BOOST = 1; } }
    message Kiln { double heat = 1; message Door { bool open = 1; } }`;
  const root = protobuf.parse(FILE, new protobuf.Root()).root;
  const encoded = (name: string, value: object) => root.lookupType(name).encode(value).finish();

  test("with the id and the message's place, and bare", async () => {
    await start({}, { sources: [{ topic: "a/{device}", format: "protobuf", schema: "plant" }] });
    const id = await register("plant", FILE, "PROTOBUF");
    const boiler = encoded("plant.Boiler", { ts: 1_763_769_600, temperature: 21.5, mode: 1 });
    await publish("a/framed", framed(id, Buffer.concat([Buffer.from([0]), boiler])));
    await publish("a/bare", boiler);
    // The second message's first inner one: the indexes 1 and 0 in zigzag.
    await publish(
      "a/door",
      framed(id, Buffer.concat([Buffer.from([4, 2, 0]), encoded("plant.Kiln.Door", { open: true })])),
    );
    await publish("a/none", framed(id, Buffer.concat([Buffer.from([2, 20]), boiler])));
    expect((await storedValues()).sort()).toEqual([
      ["bare", "mode", "BOOST"],
      ["bare", "temperature", 21.5],
      ["door", "open", true],
      ["framed", "mode", "BOOST"],
      ["framed", "temperature", 21.5],
    ]);
    expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
      "the .proto file has no message at 10; it has Boiler, Kiln",
    ]);
    const times = (await readings()).filter(({ metric }) => metric === "temperature").map(({ atUs }) => atUs);
    expect(times).toEqual([1_763_769_600_000_000, 1_763_769_600_000_000]);
  });

  test("another message, by its name", async () => {
    const schema = { subject: "plant", message: "Kiln" };
    await start({}, { sources: [{ topic: "a/{device}", format: "protobuf", schema }] });
    await register("plant", FILE, "PROTOBUF");
    await publish("a/k1", encoded("plant.Kiln", { heat: 900 }));
    expect(await storedValues()).toEqual([["k1", "heat", 900]]);
  });
});

describe("JSON by its schema", () => {
  const schema = { type: "object", properties: { t: { type: "number" } }, required: ["t"] };

  test("with and without the id; a payload that breaks it names the field", async () => {
    await start({}, { sources: [{ topic: "a/{device}", schema: "boiler" }] });
    const id = await register("boiler", schema, "JSON");
    await publish("a/bare", '{"t": 21.5}');
    await publish("a/framed", framed(id, Buffer.from('{"t": 21.5, "pulses": 9007199254740995}')));
    await publish("a/bad", '{"t": "warm"}');
    await publish("a/missing", '{"x": 1}');
    expect((await storedValues()).sort()).toEqual([
      ["bare", "t", 21.5],
      ["framed", "pulses", "9007199254740995"],
      ["framed", "t", 21.5],
    ]);
    expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
      "by its schema, field t must be number",
      "by its schema, field t is missing",
    ]);
  });

  test("another type than the format's is refused", async () => {
    await start({}, { sources: [{ topic: "a/{device}", format: "protobuf", schema: "boiler" }] });
    await register("boiler", schema, "JSON");
    await publish("a/b1", Buffer.from([8, 1]));
    expect((await deadLetters()).map(({ letter }) => letter.detail)).toEqual([
      "boiler is a schema of type JSON, and the source's format wants PROTOBUF",
    ]);
  });
});

test.each([
  [{ format: "avro" }, "this format needs `schema`"],
  [{ format: "cbor", schema: "boiler" }, "the format of this source has no schema"],
])("the source %j is refused", (source, message) => {
  const parsed = ingestConfigSchema.safeParse({ sources: [{ topic: "a/{device}", ...source }] });
  expect(parsed.error?.issues[0]?.message).toContain(message);
});
