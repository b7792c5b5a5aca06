import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
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

  it("takes little time for many stars", () => {
    expect(globMatches(`${"*a".repeat(100)}b`, "a".repeat(10_000))).toBe(false);
  });
});

test("many stars over a name of 250,000 letters cost milliseconds", () => {
  const text = "a".repeat(250_000);
  const startedMs = performance.now();
  for (const pattern of ["*a*a*a*a*a*b", "*a*b*a*", "*?*?*?*b", `${"*a".repeat(50)}*`]) {
    expect(globMatches(pattern, text)).toBe(!pattern.includes("b"));
  }
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});
