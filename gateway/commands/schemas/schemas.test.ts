import { expect, test } from "vitest";
import { Registry } from "../../../ingest/schemas/registry/registry.ts";
import { answerRegistry } from "../../../ingest/schemas/registry/routes.ts";
import { SchemaRecords } from "../../../ingest/schemas/registry/schema-records.ts";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import { diffLines, prettySchema } from "./diff-lines.ts";
import { type Ask, check, list, parseReference, register, schemaTypeOf, versionText } from "./schema-requests.ts";

function registry(): Ask {
  const { records } = createMemoryLog({ nowUs: () => 0 });
  const own = new Registry(new SchemaRecords(records), () => {});
  return ({ method, path, query = {}, body }) => answerRegistry(own, { method, path, query, body });
}

function boiler(...fields: readonly object[]) {
  const schema = JSON.stringify({ type: "record", name: "Boiler", fields });
  return { schema, schemaType: "AVRO", references: [] };
}

const T = { name: "t", type: "double" };
const UNIT = { name: "unit", type: "string" };

test("registers, lists, checks and compares", async () => {
  const ask = registry();
  expect(await register(ask, "boiler", boiler(T))).toEqual({ id: 1, version: 1 });
  expect(await register(ask, "boiler", boiler(T, { ...UNIT, default: "degC" }))).toEqual({ id: 2, version: 2 });
  await register(ask, "kiln", boiler(T));
  expect(await list(ask, undefined)).toEqual([
    { subject: "boiler", compatibility: "BACKWARD", versions: [{ version: 2, id: 2, type: "AVRO" }] },
    { subject: "kiln", compatibility: "BACKWARD", versions: [{ version: 1, id: 1, type: "AVRO" }] },
  ]);
  expect((await list(ask, "boiler"))[0]?.versions).toHaveLength(2);
  const given = boiler(T, { name: "mode", type: "string" });
  expect(await check(ask, { subject: "boiler", version: undefined, given })).toEqual([
    "the new schema cannot read data of version 2: mode: the writer's schema lacks this field, and the reader's has no default",
  ]);
  expect(await check(ask, { subject: "boiler", version: "1", given: boiler(T) })).toEqual([]);
  await expect(register(ask, "boiler", given)).rejects.toThrow("mode: the writer's schema lacks this field");
  await expect(list(ask, "none")).rejects.toThrow("Subject 'none' not found");
  const [before, after] = [await versionText(ask, "boiler", "1"), await versionText(ask, "boiler", "latest")];
  const added = diffLines(prettySchema(before), prettySchema(after)).map((line) => line.replace(/\s+/g, " "));
  expect(added).toEqual(["+ },", "+ {", '+ "name": "unit",', '+ "type": "string",', '+ "default": "degC"']);
});

test.each([
  [["a", "b", "c"], ["a", "c"], ["- b"]],
  [["a"], ["a", "b"], ["+ b"]],
  [
    ["a", "b"],
    ["b", "a"],
    ["- a", "+ a"],
  ],
  [[], [], []],
])("the difference of %j and %j", (before, after, expected) => {
  expect(diffLines(before, after)).toEqual(expected);
});

test("the type is the file's, or the flag's", () => {
  expect(["a.avsc", "b.proto", "c.JSON"].map((file) => schemaTypeOf(file, undefined))).toEqual([
    "AVRO",
    "PROTOBUF",
    "JSON",
  ]);
  expect(schemaTypeOf("a.txt", "avro")).toBe("AVRO");
  expect(() => schemaTypeOf("a.txt", undefined)).toThrow("say --type");
  expect(() => schemaTypeOf("a.avsc", "xml")).toThrow("--type xml is none of");
});

test("references", () => {
  expect(parseReference("place.proto=plant/place:2")).toEqual({
    name: "place.proto",
    subject: "plant/place",
    version: 2,
  });
  expect(() => parseReference("place:2")).toThrow("is not name=subject:version");
});
