import { beforeEach, describe, expect, test } from "vitest";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import type { Records } from "../../../platform/log/port.ts";
import { Registry } from "./registry.ts";
import { answerRegistry } from "./routes.ts";
import { SchemaRecords } from "./schema-records.ts";

let records: Records;
let registry: Registry;
let changed: string[];

beforeEach(() => {
  records = createMemoryLog({ nowUs: () => 0 }).records;
  changed = [];
  registry = new Registry(new SchemaRecords(records), (subject) => changed.push(subject));
});

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const [where = "", search = ""] = path.split("?");
  const parts = where.split("/").filter((part) => part !== "");
  const query = Object.fromEntries(new URLSearchParams(search));
  return await answerRegistry(registry, { method, path: parts.map(decodeURIComponent), query, body });
}

function boiler(...fields: readonly object[]): string {
  return JSON.stringify({ type: "record", name: "Boiler", fields: [{ name: "t", type: "double" }, ...fields] });
}

const V1 = { schema: boiler() };
const WITH_DEFAULT = { schema: boiler({ name: "unit", type: "string", default: "degC" }) };
const WITHOUT_DEFAULT = { schema: boiler({ name: "unit", type: "string" }) };

test("versions of a subject", async () => {
  expect(await ask("GET", "/subjects")).toEqual({ status: 200, body: [] });
  expect(await ask("POST", "/subjects/boiler/versions", V1)).toEqual({ status: 200, body: { id: 1 } });
  expect(await ask("POST", "/subjects/boiler/versions", WITH_DEFAULT)).toEqual({ status: 200, body: { id: 2 } });
  // The same schema again, written otherwise, and in another subject.
  const spaced = { schema: JSON.stringify(JSON.parse(V1.schema), undefined, 2) };
  expect(await ask("POST", "/subjects/boiler/versions", spaced)).toEqual({ status: 200, body: { id: 1 } });
  expect(await ask("POST", "/subjects/kiln/versions", spaced)).toEqual({ status: 200, body: { id: 1 } });
  expect((await ask("GET", "/subjects")).body).toEqual(["boiler", "kiln"]);
  expect((await ask("GET", "/subjects?subjectPrefix=bo")).body).toEqual(["boiler"]);
  expect((await ask("GET", "/subjects/boiler/versions")).body).toEqual([1, 2]);
  const latest = { subject: "boiler", version: 2, id: 2, ...WITH_DEFAULT };
  expect((await ask("GET", "/subjects/boiler/versions/latest")).body).toEqual(latest);
  expect((await ask("GET", "/subjects/boiler/versions/2")).body).toEqual(latest);
  expect((await ask("GET", "/subjects/boiler/versions/1/schema")).body).toBe(V1.schema);
  expect((await ask("POST", "/subjects/boiler", spaced)).body).toEqual({ subject: "boiler", version: 1, id: 1, ...V1 });
  expect((await ask("GET", "/schemas/ids/2")).body).toEqual(WITH_DEFAULT);
  expect((await ask("GET", "/schemas/ids/1/schema")).body).toBe(V1.schema);
  expect((await ask("GET", "/schemas/ids/1/versions")).body).toEqual([
    { subject: "boiler", version: 1 },
    { subject: "kiln", version: 1 },
  ]);
  expect((await ask("GET", "/schemas/ids/1/subjects")).body).toEqual(["boiler", "kiln"]);
  expect((await ask("GET", "/schemas/types")).body).toEqual(["AVRO", "JSON", "PROTOBUF"]);
  expect(changed).toContain("boiler");
});

test.each([
  ["GET", "/subjects/none/versions", undefined, 404, 40_401],
  ["GET", "/subjects/none/versions/1", undefined, 404, 40_401],
  ["GET", "/subjects/boiler/versions/9", undefined, 404, 40_402],
  ["GET", "/subjects/boiler/versions/first", undefined, 422, 42_202],
  ["GET", "/schemas/ids/99", undefined, 404, 40_403],
  ["POST", "/subjects/boiler", WITH_DEFAULT, 404, 40_403],
  ["POST", "/subjects/boiler/versions", { schema: "{" }, 422, 42_201],
  ["POST", "/subjects/boiler/versions", { schema: "{}", schemaType: "XML" }, 422, 42_201],
  ["POST", "/subjects/boiler/versions", {}, 422, 42_201],
  ["POST", "/subjects/boiler/versions", WITHOUT_DEFAULT, 409, 409],
  ["PUT", "/config", { compatibility: "SOME" }, 422, 42_203],
  ["PUT", "/mode", { mode: "SOME" }, 422, 42_204],
  ["GET", "/config/boiler", undefined, 404, 40_408],
  ["GET", "/mode/boiler", undefined, 404, 40_409],
  ["DELETE", "/subjects/boiler?permanent=true", undefined, 404, 40_405],
  ["DELETE", "/subjects/none", undefined, 404, 40_401],
  ["GET", "/nowhere", undefined, 404, 404],
])("%s %s is refused", async (method, path, body, status, code) => {
  await ask("POST", "/subjects/boiler/versions", V1);
  expect(await ask(method, path, body)).toMatchObject({ status, body: { error_code: code } });
});

describe("compatibility", () => {
  const wider = { schema: boiler().replace('"double"', '["null","double"]') };
  const fewer = { schema: JSON.stringify({ type: "record", name: "Boiler", fields: [] }) };
  // A level, the versions before, the new one, and whether it may follow.
  test.each([
    ["NONE", [V1], { schema: '"string"' }, true],
    ["BACKWARD", [V1], WITH_DEFAULT, true],
    ["BACKWARD", [V1], WITHOUT_DEFAULT, false],
    ["BACKWARD", [V1], fewer, true],
    ["BACKWARD", [V1], wider, true],
    ["FORWARD", [V1], WITHOUT_DEFAULT, true],
    ["FORWARD", [V1], fewer, false],
    ["FORWARD", [V1], wider, false],
    ["FULL", [V1], WITH_DEFAULT, true],
    ["FULL", [V1], WITHOUT_DEFAULT, false],
    ["FULL", [V1], fewer, false],
    ["BACKWARD", [V1, fewer], WITHOUT_DEFAULT, false],
    // The field comes back with another type: only the older version cannot be read.
    ["BACKWARD", [V1, fewer], { schema: boiler().replace('"double"', '"string","default":""') }, true],
    ["BACKWARD_TRANSITIVE", [V1, fewer], { schema: boiler().replace('"double"', '"string","default":""') }, false],
    ["FORWARD_TRANSITIVE", [WITH_DEFAULT], V1, true],
    ["FULL_TRANSITIVE", [V1, WITH_DEFAULT], fewer, false],
  ])("%s after %j: %j", async (level, before, schema, isCompatible) => {
    await ask("PUT", "/config/boiler", { compatibility: "NONE" });
    for (const each of before) expect((await ask("POST", "/subjects/boiler/versions", each)).status).toBe(200);
    expect(await ask("PUT", "/config/boiler", { compatibility: level })).toEqual({
      status: 200,
      body: { compatibility: level },
    });
    const checked = await ask("POST", "/compatibility/subjects/boiler/versions?verbose=true", schema);
    expect(checked).toMatchObject({ status: 200, body: { is_compatible: isCompatible } });
    const registered = await ask("POST", "/subjects/boiler/versions", schema);
    expect(registered.status).toBe(isCompatible ? 200 : 409);
    const { messages } = checked.body as { messages: string[] };
    if (isCompatible) return;
    expect(messages.length).toBeGreaterThan(0);
    for (const reason of messages) expect((registered.body as { message: string }).message).toContain(reason);
  });

  test("reasons name the version, the field and the fault", async () => {
    await ask("POST", "/subjects/boiler/versions", V1);
    const { body } = await ask("POST", "/compatibility/subjects/boiler/versions/latest?verbose=true", WITHOUT_DEFAULT);
    expect(body).toEqual({
      is_compatible: false,
      messages: [
        "the new schema cannot read data of version 1: unit: the writer's schema lacks this field, and the reader's has no default",
      ],
    });
  });

  test("another type of schema does not follow", async () => {
    await ask("POST", "/subjects/boiler/versions", V1);
    const json = { schema: "{}", schemaType: "JSON" };
    expect(await ask("POST", "/subjects/boiler/versions", json)).toMatchObject({ status: 409 });
  });

  test("levels and modes are for all subjects, or for one", async () => {
    expect((await ask("GET", "/config")).body).toEqual({ compatibilityLevel: "BACKWARD" });
    await ask("PUT", "/config", { compatibility: "FULL" });
    expect((await ask("GET", "/config/boiler?defaultToGlobal=true")).body).toEqual({ compatibilityLevel: "FULL" });
    await ask("PUT", "/config/boiler", { compatibility: "NONE" });
    expect((await ask("GET", "/config/boiler")).body).toEqual({ compatibilityLevel: "NONE" });
    expect((await ask("DELETE", "/config/boiler")).body).toEqual({ compatibility: "NONE" });
    expect((await ask("GET", "/config/boiler")).status).toBe(404);
    await ask("PUT", "/mode/boiler", { mode: "READONLY" });
    expect((await ask("GET", "/mode/boiler")).body).toEqual({ mode: "READONLY" });
    const refused = await ask("POST", "/subjects/boiler/versions", V1);
    expect(refused).toMatchObject({ status: 422, body: { error_code: 42_205 } });
    expect((await ask("POST", "/subjects/kiln/versions", V1)).status).toBe(200);
  });
});

test("a deleted version keeps its id and number, until it is deleted for good", async () => {
  await ask("POST", "/subjects/boiler/versions", V1);
  await ask("POST", "/subjects/boiler/versions", WITH_DEFAULT);
  expect((await ask("DELETE", "/subjects/boiler/versions/2")).body).toBe(2);
  expect((await ask("GET", "/subjects/boiler/versions")).body).toEqual([1]);
  expect((await ask("GET", "/subjects/boiler/versions?deleted=true")).body).toEqual([1, 2]);
  // Devices that use it are still read.
  expect((await ask("GET", "/schemas/ids/2")).body).toEqual(WITH_DEFAULT);
  expect((await ask("POST", "/subjects/boiler/versions", WITH_DEFAULT)).body).toEqual({ id: 2 });
  expect((await ask("GET", "/subjects/boiler/versions")).body).toEqual([1, 3]);
  expect((await ask("DELETE", "/subjects/boiler")).body).toEqual([1, 3]);
  expect(await ask("GET", "/subjects/boiler/versions")).toMatchObject({ status: 404 });
  expect(await ask("DELETE", "/subjects/boiler")).toMatchObject({ status: 404, body: { error_code: 40_404 } });
  expect((await ask("DELETE", "/subjects/boiler?permanent=true")).body).toEqual([1, 2, 3]);
  expect((await ask("GET", "/subjects?deleted=true")).body).toEqual([]);
});

describe("references", () => {
  const place = { schema: JSON.stringify({ type: "enum", name: "Place", symbols: ["IN", "OUT"] }) };
  const user = {
    schema: boiler({ name: "at", type: "Place" }),
    references: [{ name: "Place", subject: "place", version: 1 }],
  };

  test("a schema uses another", async () => {
    await ask("POST", "/subjects/place/versions", place);
    expect(await ask("POST", "/subjects/boiler/versions", user)).toEqual({ status: 200, body: { id: 2 } });
    expect((await ask("GET", "/schemas/ids/2")).body).toEqual(user);
    const refused = await ask("DELETE", "/subjects/place/versions/1");
    expect(refused).toMatchObject({ status: 422, body: { error_code: 42_206 } });
  });

  test("one that does not exist is named", async () => {
    const { status, body } = await ask("POST", "/subjects/boiler/versions", user);
    expect(status).toBe(422);
    expect((body as { message: string }).message).toContain(
      "the reference Place is version 1 of place, which does not exist",
    );
  });
});

test("what one gateway registers, another reads", async () => {
  await ask("POST", "/subjects/boiler/versions", V1);
  const other = new Registry(new SchemaRecords(records), () => {});
  expect(await other.version("boiler", "latest")).toMatchObject({ id: 1, version: 1 });
});

test("gateways that register at once never share an id", async () => {
  const gateways = Array.from({ length: 4 }, () => new Registry(new SchemaRecords(records), () => {}));
  const results = await Promise.all(
    gateways.map((each, i) =>
      each.register(`subject-${i}`, {
        schema: boiler({ name: `f${i}`, type: "int" }),
        schemaType: "AVRO",
        references: [],
      }),
    ),
  );
  expect(new Set(results.map(({ id }) => id)).size).toBe(4);
  expect(await Promise.all(results.map(({ id }) => registry.byId(id)))).toHaveLength(4);
  expect((await ask("GET", "/subjects")).body).toHaveLength(4);
});

test("1,000 versions of a subject, each of which all earlier ones may precede", async () => {
  await ask("PUT", "/config/boiler", { compatibility: "BACKWARD_TRANSITIVE" });
  const fields: object[] = [];
  for (let i = 1; i <= 1_000; i++) {
    fields[i % 20] = { name: `f${i}`, type: "int", default: i };
    const given = { schema: boiler(...fields.filter(Boolean)), schemaType: "AVRO", references: [] };
    expect((await registry.register("boiler", given)).version).toBe(i);
  }
  expect((await ask("GET", "/subjects/boiler/versions")).body).toHaveLength(1_000);
  const bad = await ask("POST", "/subjects/boiler/versions", WITHOUT_DEFAULT);
  expect(bad).toMatchObject({ status: 409 });
}, 300_000);
