import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { globMatches } from "./glob.ts";

describe("globMatches", () => {
  it("agrees with a regular expression", () => {
    const letters = fc.constantFrom("a", "b", "*", "?", ".");
    const words = fc.string({ unit: letters, maxLength: 8 });
    fc.assert(
      fc.property(words, fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 10 }), (pattern, text) => {
        const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
        expect(globMatches(pattern, text)).toBe(new RegExp(`^${source}$`, "s").test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not take for ever over many stars", () => {
    expect(globMatches(`${"*a".repeat(100)}b`, "a".repeat(10_000))).toBe(false);
  });
});
