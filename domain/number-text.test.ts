import fc from "fast-check";
import { expect, test } from "vitest";
import { isNumberText, NUMBER_CHARACTERS_MAX, NUMBER_PATTERN } from "./number-text.ts";

test.each(["0", "21", "+21.5", "-3", ".5", "5.", "1e3", "1E-3", "-.5e+10", "007"])("%j is a number", (text) => {
  expect(isNumberText(text)).toBe(true);
});

test.each(["", ".", "+", "-", "e5", "1e", "1e+", "1.2.3", "1-2", "0x10", " 1", "1 ", "1\n", "NaN", "Infinity", "１"])(
  "%j is not a number",
  (text) => {
    expect(isNumberText(text)).toBe(false);
  },
);

test("each double is one, as JavaScript writes it and as a plain decimal", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(isNumberText(String(value))).toBe(true);
      expect(isNumberText(value.toFixed(20))).toBe(true);
    }),
  );
  expect(isNumberText(`-0.${"0".repeat(323)}${"9".repeat(17)}`)).toBe(true);
});

test("agrees with the pattern that it replaces on short texts", () => {
  const before = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("1", "0", ".", "e", "E", "+", "-", "x"), maxLength: 9 }), (text) => {
      expect(isNumberText(text)).toBe(before.test(text));
    }),
    { numRuns: 5_000 },
  );
});

test("a text that is too long is not a number, and the bare pattern is fast for one, too", () => {
  expect(isNumberText("1".repeat(NUMBER_CHARACTERS_MAX))).toBe(true);
  expect(isNumberText("1".repeat(NUMBER_CHARACTERS_MAX + 1))).toBe(false);
  const pattern = new RegExp(`^${NUMBER_PATTERN}$`);
  const many = "1".repeat(250_000);
  const startedMs = performance.now();
  for (const text of [`${many}x`, `${many}.${many}x`, `.${many}x`, `1e${many}x`, "+".repeat(250_000)]) {
    expect(pattern.test(text)).toBe(false);
  }
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});
