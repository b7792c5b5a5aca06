import avsc from "avsc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedError, TooDeepError } from "../../formats/binary/byte-reader.ts";
import { AvroReader } from "./avro-reader.ts";
import { resolveAvro, UnresolvedError } from "./avro-resolve.ts";
import { parseAvro } from "./avro-schema.ts";

/** What our reader makes of bytes that avsc, or the test, wrote. */
function read(bytes: Uint8Array, writer: unknown, reader: unknown = writer): unknown {
  const { plan } = resolveAvro(parseAvro(JSON.stringify(writer)), parseAvro(JSON.stringify(reader)));
  const from = new AvroReader(bytes, 32);
  const value = plan(from);
  if (from.left > 0) throw new Error(`${from.left} bytes are left`);
  return value;
}

function mismatches(writer: unknown, reader: unknown): string[] {
  const { mismatches } = resolveAvro(parseAvro(JSON.stringify(writer)), parseAvro(JSON.stringify(reader)));
  return mismatches.map(({ path, detail }) => `${path}: ${detail}`);
}

function record(fields: readonly object[], name = "R"): object {
  return { type: "record", name, fields };
}

const longs = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a < b ? -1 : 1),
});

const PRIMITIVES: readonly (readonly [string, fc.Arbitrary<unknown>])[] = [
  ["null", fc.constant(null)],
  ["boolean", fc.boolean()],
  ["int", fc.integer()],
  // avsc itself loses the last bit beyond 2^52.
  ["long", fc.integer({ min: -(2 ** 52), max: 2 ** 52 })],
  ["float", fc.float({ noNaN: true, noDefaultInfinity: true })],
  ["double", fc.double({ noNaN: true, noDefaultInfinity: true })],
  ["bytes", fc.uint8Array({ maxLength: 10 }).map((bytes) => Buffer.from(bytes))],
  ["string", fc.string({ unit: "binary", maxLength: 40 })],
];

/** A schema and a value of it. */
const schemaAndValue: fc.Arbitrary<{ schema: unknown; value: fc.Arbitrary<unknown> }> = fc.letrec((tie) => ({
  leaf: fc.constantFrom(...PRIMITIVES.map(([schema, value]) => ({ schema, value }))),
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    tie("node").map(wrapped("array", (value) => fc.array(value, { maxLength: 4 }))),
    tie("node").map(wrapped("map", (value) => fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), value, { maxKeys: 4 }))),
  ),
})).node as never;

function wrapped(type: "array" | "map", values: (value: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>) {
  return (inner: unknown) => {
    const { schema, value } = inner as { schema: unknown; value: fc.Arbitrary<unknown> };
    return { schema: { type, [type === "array" ? "items" : "values"]: schema }, value: values(value) };
  };
}

test("what avsc writes", () => {
  const pair = fc.array(schemaAndValue, { minLength: 1, maxLength: 4 }).chain((fields) =>
    fc.tuple(...fields.map(({ value }) => value)).map((values) => ({
      schema: record(fields.map(({ schema }, i) => ({ name: `f${i}`, type: schema }))),
      value: Object.fromEntries(values.map((value, i) => [`f${i}`, value])),
    })),
  );
  fc.assert(
    fc.property(pair, ({ schema, value }) => {
      const bytes = avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value);
      // JSON has no -0.
      expect(asJson(read(bytes, schema))).toEqual(asJson(value));
    }),
  );
});

function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), reviveBytes);
}

function reviveBytes(_key: string, value: unknown): unknown {
  const isBytes = typeof value === "object" && value !== null && (value as { type?: unknown }).type === "Buffer";
  return isBytes ? Buffer.from((value as { data: number[] }).data) : value;
}

test("longs beyond 2^53 are exact", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const bytes = avsc.Type.forSchema("long", { registry: { long: longs } } as never).toBuffer(value);
      const decoded = read(bytes, "long");
      expect(BigInt(decoded as number)).toBe(value);
      expect(typeof decoded).toBe(Number.isSafeInteger(Number(value)) ? "number" : "bigint");
    }),
  );
});

const COLOR = { type: "enum", name: "Color", symbols: ["RED", "GREEN"] };

test("enums, fixed, unions and records that contain themselves", () => {
  const schema = record(
    [
      { name: "color", type: COLOR },
      { name: "id", type: { type: "fixed", name: "Id", size: 2 } },
      { name: "next", type: ["null", "R"] },
    ],
    "R",
  );
  const value = {
    color: "GREEN",
    id: Buffer.from([1, 2]),
    next: { color: "RED", id: Buffer.from([3, 4]), next: null },
  };
  const bytes = avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value);
  expect(read(bytes, schema)).toEqual(value);
});

test.each([
  [{ type: "long", logicalType: "timestamp-millis" }, 1_755_701_248_500, "2025-08-20T14:47:28.500000000Z"],
  [{ type: "long", logicalType: "timestamp-micros" }, 1_755_701_248_000_001, "2025-08-20T14:47:28.000001000Z"],
  [{ type: "long", logicalType: "timestamp-micros" }, -1, "1969-12-31T23:59:59.999999000Z"],
  [{ type: "long", logicalType: "local-timestamp-millis" }, 0, "1970-01-01T00:00:00.000000000"],
  [{ type: "int", logicalType: "date" }, 20_320, "2025-08-20"],
  [{ type: "bytes", logicalType: "decimal", precision: 4, scale: 2 }, Buffer.from([0x08, 0x66]), 21.5],
  [{ type: "bytes", logicalType: "decimal", precision: 4, scale: 1 }, Buffer.from([0xff, 0x29]), -21.5],
  [{ type: "string", logicalType: "uuid" }, "a-b", "a-b"],
  [{ type: "int", logicalType: "unheard-of" }, 5, 5],
])("%j of %j", (schema, value, expected) => {
  const bytes = avsc.Type.forSchema(schema as avsc.Schema).toBuffer(value);
  expect(read(bytes, schema)).toEqual(expected);
});

describe("a reader's schema other than the writer's", () => {
  test.each([
    ["int", "long", 7, 7],
    ["int", "double", 7, 7],
    ["long", "float", 7, 7],
    ["float", "double", 0.5, 0.5],
    ["string", "bytes", "ab", Buffer.from("ab")],
    ["bytes", "string", Buffer.from("ab"), "ab"],
    ["int", ["null", "double"], 7, 7],
    [["null", "int"], "long", 7, 7],
    [["int", "string"], ["string", "long"], "x", "x"],
  ])("promotes %j to %j", (writer, reader, value, expected) => {
    const type = avsc.Type.forSchema(writer as avsc.Schema, { wrapUnions: false });
    expect(read(type.toBuffer(value), writer, reader)).toEqual(expected);
  });

  test("fills in defaults, drops fields, and follows aliases", () => {
    const writer = record([
      { name: "gone", type: { type: "array", items: "string" } },
      { name: "temp", type: "int" },
    ]);
    const inner = record([{ name: "a", type: "int", default: 1 }], "Inner");
    const reader = record([
      { name: "temperature", aliases: ["temp"], type: "double" },
      { name: "unit", type: "string", default: "degC" },
      { name: "maybe", type: ["null", "string"], default: null },
      { name: "raw", type: "bytes", default: "\u00ff\u0001" },
      { name: "inner", type: inner, default: {} },
      { name: "list", type: { type: "array", items: COLOR }, default: ["RED"] },
    ]);
    const bytes = avsc.Type.forSchema(writer as avsc.Schema).toBuffer({ gone: ["x"], temp: 21 });
    expect(read(bytes, writer, reader)).toEqual({
      temperature: 21,
      unit: "degC",
      maybe: null,
      raw: Buffer.from([0xff, 1]),
      inner: { a: 1 },
      list: ["RED"],
    });
    expect(mismatches(writer, reader)).toEqual([]);
  });

  test("a symbol that the reader lacks is its default, or is refused by the field's name", () => {
    const wider = { ...COLOR, symbols: ["RED", "GREEN", "BLUE"] };
    const [writer, reader] = [record([{ name: "c", type: wider }]), record([{ name: "c", type: COLOR }])];
    const bytes = avsc.Type.forSchema(writer as avsc.Schema).toBuffer({ c: "BLUE" });
    const withDefault = record([{ name: "c", type: { ...COLOR, default: "RED" } }]);
    expect(read(bytes, writer, withDefault)).toEqual({ c: "RED" });
    expect(mismatches(writer, withDefault)).toEqual([]);
    expect(() => read(bytes, writer, reader)).toThrow(new UnresolvedError("field c: the reader's enum lacks BLUE"));
    expect(mismatches(writer, reader)).toEqual(["c: the reader's enum Color lacks BLUE, and has no default"]);
  });

  test.each<[string, unknown, unknown, string[]]>([
    ["long", "long", "int", [": the writer's long cannot be read as int"]],
    ["string", "string", "double", [": the writer's string cannot be read as double"]],
    [
      "a field without a default",
      record([]),
      record([{ name: "a", type: "int" }]),
      ["a: the writer's schema lacks this field, and the reader's has no default"],
    ],
    [
      "a nested type",
      record([{ name: "a", type: { type: "array", items: "string" } }]),
      record([{ name: "a", type: { type: "array", items: "int" } }]),
      ["a[]: the writer's string cannot be read as int"],
    ],
    ["another record", record([], "A"), record([], "B"), [": the writer's record A cannot be read as record B"]],
    [
      "another size",
      { type: "fixed", name: "F", size: 2 },
      { type: "fixed", name: "F", size: 3 },
      [": F has 3 bytes in the reader's schema, 2 in the writer's"],
    ],
    ["a branch", ["null", "string"], ["null", "int"], [": the writer's string is none of null, int"]],
  ])("cannot be read: %s", (_name, writer, reader, expected) => {
    expect(mismatches(writer, reader)).toEqual(expected);
  });

  // The same answer as avsc's resolver, for every pair of types.
  const types = [
    ...PRIMITIVES.map(([name]) => name),
    ...[["null", "int"], ["string", "double"], { type: "array", items: "int" }, { type: "array", items: "long" }],
    ...[{ type: "map", values: "string" }, COLOR, { ...COLOR, symbols: ["RED"] }, record([], "R")],
    ...[record([{ name: "a", type: "int" }]), record([{ name: "a", type: "long", default: 0 }])],
  ];
  const pairs = types.flatMap((writer) => types.map((reader) => [writer, reader] as const));
  test.each(pairs)("%j read as %j", (writer, reader) => {
    let isResolved = true;
    try {
      avsc.Type.forSchema(reader as avsc.Schema).createResolver(avsc.Type.forSchema(writer as avsc.Schema));
    } catch {
      isResolved = false;
    }
    expect(mismatches(writer, reader).length === 0).toBe(isResolved);
  });
});

describe("bytes that are not Avro", () => {
  const schema = record([
    { name: "a", type: { type: "array", items: "null" } },
    { name: "b", type: ["null", { type: "map", values: "R" }] },
    { name: "c", type: "string" },
    { name: "d", type: "boolean" },
  ]);

  test("are refused, without memory for what they only claim", () => {
    expect(() => read(Buffer.from("feffffff0f", "hex"), { type: "array", items: "null" })).toThrow(MalformedError);
    expect(() => read(Buffer.from("feffffff0f", "hex"), "string")).toThrow(MalformedError);
    expect(() => read(Buffer.from("02", "hex"), "string")).toThrow(MalformedError);
    expect(() => read(Buffer.from("05", "hex"), "boolean")).toThrow(MalformedError);
    expect(() => read(Buffer.from("08", "hex"), ["null", "int"])).toThrow(MalformedError);
    expect(() => read(Buffer.from("ffffffffffffffffffff01", "hex"), "long")).toThrow(MalformedError);
    expect(() => read(Buffer.from([]), record([{ name: "r", type: "R" }]))).toThrow(TooDeepError);
  });

  test("no bytes do anything but return or name what is wrong", () => {
    const { plan } = resolveAvro(parseAvro(JSON.stringify(schema)), parseAvro(JSON.stringify(schema)));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          plan(new AvroReader(bytes, 16));
        } catch (error) {
          if (!(error instanceof MalformedError || error instanceof TooDeepError)) throw error;
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

test.each([
  ["{", "not JSON"],
  ["5", "the schema is no type"],
  ['"Nope"', 'the schema has the type "Nope", which is not defined'],
  ["[]", "the schema is an empty union"],
  ['["int", ["null"]]', "the schema is a union inside a union"],
  ['["int", "int"]', "the schema has the branch int twice"],
  ['{"type": "record", "name": "R"}', "record R has no list of fields"],
  ['{"type": "record", "name": "a b", "fields": []}', "the schema has no valid name"],
  ['{"type": "record", "name": "R", "fields": [{"name": "a", "type": "x"}]}', 'field "a" of record R has the type "x"'],
  ['{"type": "enum", "name": "E", "symbols": ["A", "A"]}', "enum E has a symbol twice"],
  ['{"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}', "the default of enum E is none of its symbols"],
  ['{"type": "fixed", "name": "F"}', "fixed F has no size"],
  [`${'{"type": "array", "items": '.repeat(80)}"int"${"}".repeat(80)}`, "is nested deeper than 64"],
])("the schema %s", (text, message) => {
  expect(() => parseAvro(text)).toThrow(message);
});

test("names are found by namespace", () => {
  const schema = {
    type: "record",
    name: "a.b.R",
    fields: [
      { name: "x", type: { type: "enum", name: "E", symbols: ["S"] } },
      { name: "y", type: "E" },
      { name: "z", type: "a.b.E" },
    ],
  };
  expect(parseAvro(JSON.stringify(schema))).toMatchObject({
    name: "a.b.R",
    fields: [{ type: { name: "a.b.E" } }, { type: { name: "a.b.E" } }, { type: { name: "a.b.E" } }],
  });
});
