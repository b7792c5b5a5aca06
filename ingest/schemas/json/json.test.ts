import { expect, test } from "vitest";
import { jsonMismatches } from "./json-mismatches.ts";
import { jsonFault, parseJsonSchema } from "./json-schema.ts";

const BOILER = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    temperature: { type: "number", maximum: 150 },
    mode: { enum: ["eco", "boost"] },
    pumps: { type: "array", items: { type: "object", properties: { rpm: { type: "integer" } } } },
  },
  required: ["temperature"],
  additionalProperties: false,
};

test.each([
  [{ temperature: 21.5, mode: "eco", pumps: [{ rpm: 3 }] }, undefined],
  [{ temperature: "21.5" }, "field temperature must be number"],
  [{ mode: "eco" }, "field temperature is missing"],
  [{ temperature: 21, mode: "off" }, "field mode must be equal to one of the allowed values (eco, boost)"],
  [{ temperature: 21, extra: 1 }, "field extra is not in the schema"],
  [{ temperature: 21, pumps: [{ rpm: 1 }, { rpm: 1.5 }] }, "field pumps.1.rpm must be integer"],
  [{ temperature: 1_000 }, "field temperature must be <= 150"],
  [5, "the value must be object"],
])("%j", (document, fault) => {
  const { validate } = parseJsonSchema(JSON.stringify(BOILER));
  const [error] = validate(document) ? [] : (validate.errors ?? []);
  expect(error && jsonFault(error)).toBe(fault);
});

test("references to other schemas", () => {
  const text = JSON.stringify({ type: "object", properties: { at: { $ref: "place.json" } } });
  const { validate } = parseJsonSchema(text, [{ name: "place.json", text: '{"type": "string"}' }]);
  expect([validate({ at: "here" }), validate({ at: 5 })]).toEqual([true, false]);
  expect(() => parseJsonSchema(text)).toThrow("can't resolve reference place.json");
});

test.each([
  ["{", "it is not JSON"],
  ["5", "a JSON Schema is an object or a boolean"],
  ['{"type": "numbre"}', "not a JSON Schema"],
  ['{"$schema": "http://json-schema.org/draft-04/schema#"}', "too old"],
])("the schema %s", (text, message) => {
  expect(() => parseJsonSchema(text)).toThrow(message);
});

const object = (properties: object, rest: object = {}) => ({ type: "object", properties, ...rest });
const CLOSED = { additionalProperties: false };

test.each<[string, unknown, unknown, string[]]>([
  ["the same", BOILER, BOILER, []],
  ["other words", { type: "number" }, { type: "number", title: "Temperature" }, []],
  ["a wider type", { type: "integer" }, { type: "number" }, []],
  [
    "a narrower type",
    { type: "number" },
    { type: "integer" },
    [": it may be number, where the reader's schema wants integer"],
  ],
  ["one more type", { type: "string" }, { type: ["string", "null"] }, []],
  ["any type", {}, { type: "string" }, [": it may be of any type, where the reader's schema wants string"]],
  ["one more value", { enum: ["a"] }, { enum: ["a", "b"] }, []],
  ["one value fewer", { enum: ["a", "b"] }, { enum: ["a"] }, [': the reader\'s schema does not list "b"']],
  ["a wider bound", { maximum: 5, minimum: 2 }, { maximum: 6, minimum: 1 }, []],
  ["a tighter bound", { maximum: 5 }, { maximum: 4 }, [": maximum is 4 in the reader's schema, 5 in the writer's"]],
  ["a new bound", {}, { minLength: 1 }, [": minLength is 1 in the reader's schema, free in the writer's"]],
  [
    "a new field of a closed object",
    object({ a: true }, CLOSED),
    object({ a: true, b: { type: "string" } }, CLOSED),
    [],
  ],
  [
    "a new field of an open object",
    object({}),
    object({ b: { type: "string" } }),
    ["b: the writer's schema allows any value here; with additionalProperties: false it would not"],
  ],
  [
    "a field that is gone from a closed object",
    object({ a: true, b: true }, CLOSED),
    object({ a: true }, CLOSED),
    ["b: the reader's schema does not allow this field"],
  ],
  ["a field that is gone from an open object", object({ a: true, b: true }, CLOSED), object({ a: true }), []],
  [
    "a field that must be there",
    object({ a: true }, CLOSED),
    object({ a: true }, { ...CLOSED, required: ["a"] }),
    ["a: it is required by the reader's schema only"],
  ],
  [
    "an object that closes",
    object({ a: true }),
    object({ a: true }, CLOSED),
    ["*: the reader's schema accepts nothing here"],
  ],
  [
    "items inside",
    object({ a: { type: "array", items: { type: "string" } } }, CLOSED),
    object({ a: { type: "array", items: { type: "number" } } }, CLOSED),
    ["a[]: it may be string, where the reader's schema wants number"],
  ],
  [
    "a reference inside",
    { ...object({ a: { $ref: "#/$defs/x" } }, CLOSED), $defs: { x: { type: "string" } } },
    { ...object({ a: { $ref: "#/$defs/x" } }, CLOSED), $defs: { x: { type: "number" } } },
    ["a: it may be string, where the reader's schema wants number"],
  ],
  [
    "a keyword that cannot be compared",
    {},
    { not: { type: "null" } },
    [': "not" differs, and this keyword cannot be compared'],
  ],
])("%s", (_name, writer, reader, expected) => {
  expect(jsonMismatches(writer, reader).map(({ path, detail }) => `${path}: ${detail}`)).toEqual(expected);
});
