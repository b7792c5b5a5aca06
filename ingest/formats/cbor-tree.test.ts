import { Encoder } from "cbor-x";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MalformedError, TooDeepError } from "./binary/byte-reader.ts";
import { cborTree } from "./cbor-tree.ts";

function tree(hex: string, nestingMax = 8): unknown {
  return cborTree(Buffer.from(hex, "hex"), nestingMax);
}

// The examples of RFC 8949, appendix A.
test.each<[string, unknown]>([
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1903e8", 1_000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["1bffffffffffffffff", 18_446_744_073_709_551_615n],
  ["c249010000000000000000", 18_446_744_073_709_551_616n],
  ["3bffffffffffffffff", -18_446_744_073_709_551_616n],
  ["c349010000000000000000", -18_446_744_073_709_551_617n],
  ["20", -1],
  ["3903e7", -1_000],
  ["f90000", 0],
  ["f98000", -0],
  ["f93c00", 1],
  ["fb3ff199999999999a", 1.1],
  ["f93e00", 1.5],
  ["f97bff", 65_504],
  ["fa47c35000", 100_000],
  ["fa7f7fffff", 3.4028234663852886e38],
  ["fb7e37e43c8800759c", 1e300],
  ["f90001", 2 ** -24],
  ["f90400", 0.00006103515625],
  ["f9c400", -4],
  ["fbc010666666666666", -4.1],
  ["f97c00", null],
  ["f97e00", null],
  ["f9fc00", null],
  ["fa7f800000", null],
  ["fb7ff8000000000000", null],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["f7", null],
  ["f0", null],
  ["f8ff", null],
  ["c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"],
  ["c11a514b67b0", "2013-03-21T20:04:00.000000000Z"],
  ["c1fb41d452d9ec200000", "2013-03-21T20:04:00.500000000Z"],
  ["d74401020304", Buffer.from([1, 2, 3, 4])],
  ["d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"],
  ["40", Buffer.from([])],
  ["60", ""],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "ü"],
  ["64f0908591", "𐅑"],
  ["80", []],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["98190102030405060708090a0b0c0d0e0f101112131415161718181819", Array.from({ length: 25 }, (_, i) => i + 1)],
  ["a201020304", { 1: 2, 3: 4 }],
  ["a26161016162820203", { a: 1, b: [2, 3] }],
  ["5f42010243030405ff", Buffer.from([1, 2, 3, 4, 5])],
  ["7f657374726561646d696e67ff", "streaming"],
  ["9fff", []],
  ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
  ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
  ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2 }],
  ["c48221196ab3", 273.15],
  ["c5822003", 1.5],
  ["d9d9f76449455446", "IETF"],
])("%s", (hex, expected) => {
  expect(tree(hex)).toEqual(expected);
});

test("what another encoder writes", () => {
  const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });
  const value = fc.jsonValue({ maxDepth: 4, stringUnit: "binary" });
  fc.assert(
    fc.property(value, (json) => {
      expect(JSON.stringify(cborTree(encoder.encode(json), 32))).toBe(JSON.stringify(json));
    }),
  );
});

test("a field named __proto__ sets no prototype", () => {
  const decoded = tree("a1695f5f70726f746f5f5fa16161f5") as object;
  expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  expect(Object.keys(decoded)).toEqual(["__proto__"]);
});

describe("bytes that are not CBOR", () => {
  test.each([
    ["nothing", "", 0],
    ["a text cut short", "6449455", 1],
    ["a number cut short", "1a0000", 3],
    ["two items", "0000", 1],
    ["a break alone", "ff", 0],
    ["a break in an array with a length", "82f5ff", 3],
    ["a text that is not UTF-8", "62c328", 1],
    ["a key that is an array", "a1800", 2],
    ["an array with more elements than bytes", "9bffffffffffffffff00", 9],
    ["an argument that does not exist", "1c", 1],
    ["bytes in a text of indefinite length", "7f4161ff", 2],
    ["a bignum that is no bytes", "c200", 2],
    ["a fraction of one number", "c48101", 3],
    ["a hundred tags", `${"c0".repeat(100)}00`, undefined],
  ])("%s", (_name, hex, position) => {
    const padded = hex.length % 2 === 0 ? hex : `${hex}0`;
    let thrown: unknown;
    try {
      tree(padded);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MalformedError);
    if (position !== undefined) expect((thrown as MalformedError).position).toBeLessThanOrEqual(position + 1);
  });

  test("nothing is allocated for what they only claim", () => {
    // 20,000 arrays inside each other, each of which claims 2^31 elements.
    expect(() => tree("9a7fffffff".repeat(20_000), 100_000)).toThrow(MalformedError);
    expect(() => tree("81".repeat(60_000))).toThrow(TooDeepError);
  });

  test("no bytes do anything but return or name what is wrong", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          cborTree(bytes, 8);
        } catch (error) {
          if (!(error instanceof MalformedError || error instanceof TooDeepError)) throw error;
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
