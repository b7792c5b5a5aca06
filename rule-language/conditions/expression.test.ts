import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFault, textOf } from "../../platform/files/fault.ts";
import { isExpression, parseExpression } from "./expression.ts";
import { EXPRESSION_TEXTS } from "./expression-texts.ts";

const TYPES = { flow: "number", current: "number", door: "any" } as const;

function evaluate(text: string, values: Record<string, number | string>): boolean | undefined {
  const parsed = parseExpression(text, TYPES);
  if (isFault(parsed)) throw new TypeError(parsed.code);
  return parsed.holds(values);
}

test.each([
  ["current > 12 && flow < 0.5", true],
  ["current > 12 && flow > 0.5", false],
  ["current == 13", true],
  ["13 == current", true],
  ["current != 13", false],
  ["current == 13.0 || flow == 5", true],
  ["current / 2 > 6.4", true],
  ["2 * current - 1 >= 25", true],
  ["1 - flow > 0.7 && -current < 0", true],
  ["!(flow > 0)", false],
  ["abs(flow - current) > 12.5", true],
  ["max(flow, current) == 13 && min(flow, current) < 1", true],
  ["floor(flow) == 0 && ceil(flow) == 1 && round(flow) == 0 && sqrt(current * current) == 13", true],
  ["(flow > 1 ? current : flow) < 1", true],
  ['door == "open"', true],
  ['door != "open"', false],
  ['door in ["open", "ajar"] && current > 1', true],
  ['door.startsWith("op") && current > 1', true],
] as const)("%s is %s", (text, expected) => {
  expect(evaluate(text, { flow: 0.2, current: 13, door: "open" })).toBe(expected);
});

test("values of `last`: whole numbers, fractions, and texts, which give no result", () => {
  expect(evaluate("door == 1", { flow: 0, current: 0, door: 1 })).toBe(true);
  expect(evaluate("door > 0.5", { flow: 0, current: 0, door: 1 })).toBe(true);
  expect(evaluate("door > 0.5", { flow: 0, current: 0, door: "open" })).toBeUndefined();
});

describe("each fault says what to write", () => {
  test.each([
    ["curent > 12", "`let` does not define curent", "did you mean current?"],
    ["pressure > 12", "`let` does not define pressure", "defined are flow, current, door"],
    ["current > 12 and flow < 1", /uses the word and/, "write && for and"],
    ["current > 12 OR flow < 1", /uses the word or/, "write || for or"],
    ["current = 12", /single =/, "write == to compare"],
    ["current >", /syntax error at its end/, /close each \(/],
    ["current", /neither true nor false/, "compare it with something: current > 8"],
    ['current == "high"', /mixes types: number == text/, /texts in quotes/],
    ["flow == true", /mixes types/, /numbers with numbers/],
    ["door == true", "true and false are 1 and 0 here", "write == 1 or == 0"],
    ["current > 1 / 2", /drops the fraction/, "write 1.0 / 2 for a half"],
    ["1 < 2", "the condition uses no series", /flow, current, door/],
    ['door.matches("(a+)+$")', "`matches` is not available", /startsWith/],
    ["logarithm(current) > 1", "there is no function logarithm", /functions are abs, .*max/],
    ["flor(current) > 1", "there is no function flor", "did you mean floor?"],
  ])("%s", (text, message, help) => {
    const parsed = parseExpression(text, TYPES);
    const said = isFault(parsed) ? textOf(EXPRESSION_TEXTS, parsed) : undefined;
    expect(said?.message).toMatch(message);
    expect(said?.help).toMatch(help);
  });
});

test("the parts of an expression are the operands of &&", () => {
  const parsed = parseExpression("current > 12 && (flow < 0.5 || flow > 9) && door != 1", TYPES);
  const parts = isFault(parsed) ? [] : parsed.parts;
  expect(parts.map(({ text }) => text)).toEqual(["current > 12", "flow < 0.5 || flow > 9", "door != 1"]);
  expect(parts.map((part) => part.holds({ flow: 1, current: 13, door: 1 }))).toEqual([true, false, false]);
});

test("any text is parsed or rejected without an exception", () => {
  const words = fc.constantFrom(
    "flow",
    "current",
    "door",
    "&&",
    "||",
    "(",
    ")",
    ">",
    "==",
    "1",
    '"a"',
    "!",
    ".",
    "x",
    " ",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((some) => some.join(" ")),
      ),
      (text) => {
        const parsed = parseExpression(text, TYPES);
        if (isFault(parsed)) expect(textOf(EXPRESSION_TEXTS, parsed).help).not.toBe("");
        else expect([true, false, undefined]).toContain(parsed.holds({ flow: 1, current: 2, door: "a" }));
        isExpression(text);
      },
    ),
    { numRuns: 500 },
  );
});

test("an expression contains a name; a plain condition does not", () => {
  expect(["flow > 1", "a && b", "curent"].map(isExpression)).toEqual([true, true, true]);
  expect(["> 8", "between 2 and 8", "8", "== open", ""].map(isExpression)).toEqual([false, false, false, false, false]);
});
