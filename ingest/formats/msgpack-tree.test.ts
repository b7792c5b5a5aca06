import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedError, TooDeepError } from "./binary/byte-reader.ts";
import { msgpackTree } from "./msgpack-tree.ts";

function tree(hex: string, nestingMax = 8): unknown {
  return msgpackTree(Buffer.from(hex, "hex"), nestingMax);
}

// By the specification of MessagePack.
test.each<[string, unknown]>([
  ["00", 0],
  ["7f", 127],
  ["e0", -32],
  ["ff", -1],
  ["c0", null],
  ["c2", false],
  ["c3", true],
  ["ccff", 255],
  ["cdffff", 65_535],
  ["ceffffffff", 4_294_967_295],
  ["cf001fffffffffffff", Number.MAX_SAFE_INTEGER],
  ["cf0020000000000001", 9_007_199_254_740_993n],
  ["cfffffffffffffffff", 18_446_744_073_709_551_615n],
  ["d080", -128],
  ["d18000", -32_768],
  ["d280000000", -2_147_483_648],
  ["d3ffffffffffffffff", -1],
  ["d38000000000000000", -9_223_372_036_854_775_808n],
  ["ca41ac0000", 21.5],
  ["cb4035800000000000", 21.5],
  ["cb7ff8000000000000", null],
  ["ca7f800000", null],
  ["a26f6b", "ok"],
  ["d9026f6b", "ok"],
  ["da00026f6b", "ok"],
  ["db000000026f6b", "ok"],
  ["c4020102", Buffer.from([1, 2])],
  ["c500020102", Buffer.from([1, 2])],
  ["c6000000020102", Buffer.from([1, 2])],
  ["9201a0", [1, ""]],
  ["dc000201c0", [1, null]],
  ["dd0000000101", [1]],
  ["81a16101", { a: 1 }],
  ["de0001a16101", { a: 1 }],
  ["df00000001a16101", { a: 1 }],
  ["810102", { 1: 2 }],
  ["d6ff68a5e000", "2025-08-20T14:47:28.000000000Z"],
  ["d7ff7735940068a5e000", "2025-08-20T14:47:28.500000000Z"],
  ["c70cff1dcd65000000000068a5e000", "2025-08-20T14:47:28.500000000Z"],
  ["c70cff00000000ffffffffffffffff", "1969-12-31T23:59:59.000000000Z"],
  ["c70cff000000007fffffffffffffff", null],
  ["d40507", Buffer.from([7])],
])("%s", (hex, expected) => {
  expect(tree(hex)).toEqual(expected);
});

test("what another encoder writes", () => {
  const value = fc.jsonValue({ maxDepth: 4, stringUnit: "binary" });
  fc.assert(
    fc.property(value, (json) => {
      expect(JSON.stringify(msgpackTree(encode(json), 32))).toBe(JSON.stringify(json));
    }),
  );
});

describe("bytes that are not MessagePack", () => {
  test.each([
    ["nothing", ""],
    ["a text cut short", "a261"],
    ["a number cut short", "cd00"],
    ["two objects", "0000"],
    ["the byte that is never used", "c1"],
    ["a key that is an array", "819000"],
    ["a text that is not UTF-8", "a2c328"],
    ["a timestamp of 2 bytes", "d5ff0000"],
  ])("%s", (_name, hex) => {
    expect(() => tree(hex)).toThrow(MalformedError);
  });

  test("nothing is allocated for what they only claim", () => {
    expect(() => tree("dd7fffffff".repeat(20_000), 100_000)).toThrow(MalformedError);
    expect(() => tree("91".repeat(60_000))).toThrow(TooDeepError);
  });

  test("no bytes do anything but return or name what is wrong", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          msgpackTree(bytes, 8);
        } catch (error) {
          if (!(error instanceof MalformedError || error instanceof TooDeepError)) throw error;
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
