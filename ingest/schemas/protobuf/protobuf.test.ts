import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { MalformedError, TooDeepError } from "../../formats/binary/byte-reader.ts";
import { messageAt, messageNamed, nameOf, parseProto } from "./proto-file.ts";
import { protoMismatches } from "./proto-mismatches.ts";
import { ProtoPlans, protoTree } from "./proto-plan.ts";

function read(bytes: Uint8Array, text: string, name?: string): unknown {
  const file = parseProto(text);
  const message = name === undefined ? file.messages[0] : messageNamed(file, name);
  if (message === undefined) throw new Error(`no message ${name}`);
  return protoTree(bytes, new ProtoPlans().of(message), 16);
}

/** Encoded by an independent implementation. */
function encode(text: string, value: object, name = "M"): Uint8Array {
  const { root } = protobuf.parse(text, new protobuf.Root(), { keepCase: true });
  root.addJSON(protobuf.common.get("google/protobuf/timestamp.proto")?.nested ?? {});
  root.addJSON(protobuf.common.get("google/protobuf/wrappers.proto")?.nested ?? {});
  const type = root.lookupType(name);
  return type.encode(type.fromObject(value)).finish();
}

const SCALARS = `syntax = "proto3";
message M {
  double d = 1; float f = 2; int32 i32 = 3; uint32 u32 = 4; sint32 s32 = 5; fixed32 f32 = 6; sfixed32 sf32 = 7;
  int64 i64 = 8; uint64 u64 = 9; sint64 s64 = 10; fixed64 f64 = 11; sfixed64 sf64 = 12;
  bool b = 13; string s = 14; bytes y = 15;
  repeated int32 packed = 16; repeated double loose = 17 [packed = false]; repeated string texts = 18;
  map<string, double> by_name = 19; map<int32, bool> by_number = 20;
  E e = 2000; M inner = 2001; optional int32 maybe = 2002;
  oneof choice { string a = 2003; int32 c = 2004; }
  enum E { NONE = 0; LOW = 1; HIGH = 2; }
}`;

test("what another encoder writes", () => {
  const long = fc.maxSafeInteger();
  const unsigned = fc.integer({ min: 0, max: 0xffff_ffff });
  // Implementations differ in whether they write a minus before 0. The sum has none.
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  const key = fc.stringMatching(/^[a-z]{1,5}$/);
  const text = fc.string({ unit: "binary", maxLength: 40 });
  const message = fc.record({
    ...{ d: double, f: float, i32: fc.integer(), u32: unsigned },
    ...{ s32: fc.integer(), f32: unsigned, sf32: fc.integer(), i64: long, s64: long, sf64: long },
    ...{ u64: fc.maxSafeNat(), f64: fc.maxSafeNat(), b: fc.boolean(), s: text },
    y: fc.uint8Array({ minLength: 1, maxLength: 10 }).map((bytes) => Buffer.from(bytes)),
    packed: fc.array(fc.integer(), { minLength: 1, maxLength: 4 }),
    loose: fc.array(double, { minLength: 1, maxLength: 4 }),
    texts: fc.array(text, { minLength: 1, maxLength: 3 }),
    by_name: fc.dictionary(key, double, { minKeys: 1, maxKeys: 3 }),
    by_number: fc.dictionary(fc.nat({ max: 9 }).map(String), fc.boolean(), { minKeys: 1, maxKeys: 3 }),
    e: fc.constantFrom("NONE", "LOW", "HIGH"),
    maybe: fc.integer(),
    c: fc.integer(),
  });
  fc.assert(
    fc.property(message, (value) => {
      const expected = { ...JSON.parse(JSON.stringify(value)), y: value.y };
      expect(read(encode(SCALARS, value), SCALARS)).toEqual(expected);
      const nested = read(encode(SCALARS, { inner: value }), SCALARS) as { inner: unknown };
      expect(nested.inner).toEqual(expected);
    }),
  );
});

test("64 bits are exact", () => {
  const bytes = encode(SCALARS, { i64: "-9223372036854775808", u64: "18446744073709551615", s64: "9007199254740993" });
  expect(read(bytes, SCALARS)).toMatchObject({
    i64: -9_223_372_036_854_775_808n,
    u64: 18_446_744_073_709_551_615n,
    s64: 9_007_199_254_740_993n,
  });
});

test("a number, a switch or an enum that is not sent is 0, false or the first word, unless its absence means something", () => {
  const decoded = read(new Uint8Array(), SCALARS);
  expect(decoded).toMatchObject({ d: 0, i64: 0, b: false, s: "", e: "NONE" });
  expect(Object.keys(decoded as object)).not.toContain("maybe");
  expect(Object.keys(decoded as object)).not.toContain("c");
  expect(Object.keys(decoded as object)).not.toContain("inner");
  const proto2 = 'syntax = "proto2"; message M { optional int32 a = 1; required int32 b = 2; }';
  expect(read(new Uint8Array(), proto2)).toEqual({});
});

test("times, and values in a wrapper", () => {
  const text = `syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    message M { google.protobuf.Timestamp at = 1; google.protobuf.DoubleValue temp = 2; google.protobuf.BoolValue on = 3; }`;
  const value = { at: { seconds: 1_755_701_248, nanos: 500_000_000 }, temp: { value: 21.5 } };
  expect(read(encode(text, value), text)).toEqual({ at: "2025-08-20T14:47:28.500000000Z", temp: 21.5 });
});

test("fields that no schema names are skipped, groups too", () => {
  const text = 'syntax = "proto3"; message M { int32 a = 1; }';
  // 2: varint, 3: fixed64, 4: bytes, 5: fixed32, 6: a group with a varint inside; then 1.
  const bytes = Buffer.from("10ac02" + "190102030405060708" + "22026162" + "2d01020304" + "33080134" + "0805", "hex");
  expect(read(bytes, text)).toEqual({ a: 5 });
});

test("an unknown number of an enum is the number", () => {
  expect(read(Buffer.from("807d07", "hex"), SCALARS)).toMatchObject({ e: 7 });
});

describe("bytes that are not Protobuf", () => {
  test.each([
    ["a varint cut short", "08"],
    ["a varint of 11 bytes", "08ffffffffffffffffffff01"],
    ["a field without a number", "0001"],
    ["a length beyond the end", "7205616263"],
    ["another wire type than the schema's", "0801"],
    ["wire type 7", "1f"],
    ["a text that is not UTF-8", "7202c328"],
    ["a message that is cut inside", "8a7d021805ff"],
    ["a group that ends as another", "a3069406"],
  ])("%s", (_name, hex) => {
    expect(() => read(Buffer.from(hex, "hex"), SCALARS)).toThrow(MalformedError);
  });

  test("messages inside messages have a limit", () => {
    let bytes = Buffer.alloc(0);
    for (let i = 0; i < 20; i++) bytes = Buffer.concat([Buffer.from([0x8a, 0x7d, bytes.length]), bytes]);
    expect(() => read(bytes, SCALARS)).toThrow(TooDeepError);
  });

  test("no bytes do anything but return or name what is wrong", () => {
    const file = parseProto(SCALARS);
    const plan = new ProtoPlans().of(file.messages[0] as protobuf.Type);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          protoTree(bytes, plan, 8);
        } catch (error) {
          if (!(error instanceof MalformedError || error instanceof TooDeepError)) throw error;
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

test("messages by their place in the file, and by name", () => {
  const file = parseProto('syntax = "proto3"; package x; message A { message B {} message C {} } message D {}');
  expect(
    [[0], [0, 1], [1], [2], [0, 2]].map((indexes) => messageAt(file, indexes)).map((type) => type && nameOf(type)),
  ).toEqual(["x.A", "x.A.C", "x.D", undefined, undefined]);
  expect(messageNamed(file, "D")?.name).toBe("D");
  expect(messageNamed(file, "x.A.B")?.name).toBe("B");
});

test.each([
  ["message {", "not a .proto file: illegal type name"],
  ['syntax = "proto3"; message M { Foo a = 1; }', "no such Type or Enum 'Foo'"],
  ['syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }', "duplicate id 1"],
  [
    'syntax = "proto3"; import "other.proto"; message M {}',
    'it imports "other.proto", which is none of its references',
  ],
  ['syntax = "proto3";', "it has no message"],
  [`syntax = "proto3"; ${"message M {".repeat(100)}${"}".repeat(100)}`, "nested deeper than 64"],
])("the file %s", (text, message) => {
  expect(() => parseProto(text)).toThrow(message);
});

describe("a reader's file other than the writer's", () => {
  const file = (fields: string) => parseProto(`syntax = "proto3"; message M { ${fields} } message N {}`);
  test.each([
    ["a new field", "int32 a = 1;", "int32 a = 1; string b = 2;", []],
    ["a removed field", "int32 a = 1; string b = 2;", "int32 a = 1;", []],
    ["another name", "int32 a = 1;", "int32 z = 1;", []],
    ["a wider number", "int32 a = 1;", "int64 a = 1;", []],
    ["text for bytes", "bytes a = 1;", "string a = 1;", []],
    ["an enum for a number", "int32 a = 1;", "E a = 1; enum E { X = 0; }", []],
    [
      "another kind",
      "int32 a = 1;",
      "string a = 1;",
      ["M.a: number 1 is int32 in the writer's schema, string in the reader's"],
    ],
    [
      "zigzag",
      "int32 a = 1;",
      "sint32 a = 1;",
      ["M.a: number 1 is int32 in the writer's schema, sint32 in the reader's"],
    ],
    ["a list", "int32 a = 1;", "repeated int32 a = 1;", ["M.a: number 1 is single in the writer's schema only"]],
    ["another message", "N a = 1;", "M a = 1;", ["M.a: number 1 is N in the writer's schema, M in the reader's"]],
    [
      "fields that move into a oneof",
      "int32 a = 1; int32 b = 2;",
      "oneof c { int32 a = 1; int32 b = 2; }",
      ["M: a, b moved into the oneof c, which keeps only one"],
    ],
    ["one field that moves into a new oneof", "int32 a = 1;", "oneof c { int32 a = 1; int32 b = 2; }", []],
    [
      "a field gone from its oneof",
      "oneof c { int32 a = 1; int32 b = 2; }",
      "oneof c { int32 a = 1; }",
      ["M.b: it is gone from the oneof c"],
    ],
  ])("%s", (_name, writer, reader, expected) => {
    expect(protoMismatches(file(writer), file(reader)).map(({ path, detail }) => `${path}: ${detail}`)).toEqual(
      expected,
    );
  });

  test("a message that is gone, and required fields", () => {
    const two = parseProto('syntax = "proto2"; message M { required int32 a = 1; } message Gone {}');
    const one = parseProto('syntax = "proto2"; message M { required int32 b = 2; }');
    expect(protoMismatches(two, one).map(({ path, detail }) => `${path}: ${detail}`)).toEqual([
      "M.b: the writer's schema lacks this required field",
      "M.a: the reader's schema lacks this required field",
      "Gone: the reader's schema lacks this message",
    ]);
  });
});
