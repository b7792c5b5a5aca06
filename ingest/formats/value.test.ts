import { expect, test } from "vitest";
import { decoder, decodeWith, STRICT_RULES } from "../testing/decode-with.ts";
import { VALUE_FORMAT } from "./value.ts";

function value(payload: string) {
  return decodeWith(decoder(VALUE_FORMAT, STRICT_RULES, undefined), payload, "m");
}

test.each([
  ["21.5", 21.5],
  [" -3e2\n", -300],
  ["true", true],
  ["FALSE", false],
  ["open", "open"],
  ['"21"', "21"],
  ["0x10", "0x10"],
  ["NaN", "NaN"],
])("%j", (payload, expected) => {
  expect(value(payload)).toEqual({ readings: [["m", expected, undefined]], problem: undefined });
});

test("a value with its time", () => {
  expect(value('{"value": 21.5, "ts": 1763769600000}').readings).toEqual([["m", 21.5, 1_763_769_600_000_000]]);
  expect(value('{"v": 1}').problem).toMatchObject({ reason: "bad-payload" });
});

test("nothing, and null, are not readings", () => {
  for (const payload of ["", " ", "null", '{"value": null}']) {
    expect(value(payload)).toEqual({ readings: [], problem: undefined });
  }
});

test("control characters, objects and arrays are not values", () => {
  for (const payload of ["a\u0000b", '{"value": [1]}', '{"value": {"a": 1}}']) {
    expect(value(payload)).toMatchObject({ readings: [], problem: { reason: "bad-payload" } });
  }
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const) {
    const deep = `${open.repeat(60_000)}1${close.repeat(60_000)}`;
    expect(value(`{"value": ${deep}}`).problem).toMatchObject({ reason: "bad-payload" });
    expect(value(`{"value": 1, "ts": ${deep}}`).readings).toEqual([["m", 1, Number.NaN]]);
  }
});
