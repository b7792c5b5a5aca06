import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyHasher } from "../../domain/alert-ids.ts";
import type { Series } from "../../domain/reading.ts";
import { Input } from "../../engine/inputs/input.ts";
import { KeyLives } from "../../engine/inputs/key-lives.ts";
import { KeyTimers } from "../../engine/inputs/key-timers.ts";
import { compileRule } from "../../engine/rules/compile.ts";
import { StepOutput } from "../../engine/state/step-context.ts";
import { rule } from "../../engine/testing/step-kit.ts";
import { compileSelector } from "./selector.ts";
import { SeriesIndex } from "./series-index.ts";

const series = (device: string, tags: Record<string, string> = {}): Series => {
  return { device, metric: "temperature", tags, kind: "number" };
};

test.each([
  ["an exclusion next to an inclusion", { device: ["cold-*", "!cold-9"] }, series("cold-9"), false],
  ["all others still match", { device: ["cold-*", "!cold-9"] }, series("cold-8"), true],
  ["exclusions alone match everything else", { site: "!lab" }, series("a", { site: "hall" }), true],
  ["but not the excluded values", { site: "!lab" }, series("a", { site: "lab" }), false],
  ["and series without the label", { site: "!lab" }, series("a"), true],
  ["with an inclusion, the label is required", { site: ["*", "!lab"] }, series("a"), false],
  ["every exclusion applies", { site: ["!lab", "!attic"] }, series("a", { site: "attic" }), false],
  ["globs exclude", { device: "!cold-*" }, series("cold-1"), false],
  ["`!*` matches a series without the label", { site: "!*" }, series("a"), true],
  ["and no series with it", { site: "!*" }, series("a", { site: "lab" }), false],
  ["an exclusion takes precedence in any order", { device: ["!a", "a"] }, series("a"), false],
])("%s", (_, where, one, expected) => {
  expect(compileSelector(where, { onlyNumbers: true }).matches(one)).toBe(expected);
});

const LETTERS = ["a", "b", "*", "?"];
const glob = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 3 });
const pattern = fc.tuple(fc.constantFrom("", "", "!"), glob).map(([sign, text]) => sign + text);
const patterns = fc.oneof(pattern, fc.array(pattern, { minLength: 1, maxLength: 3 }));
const wheres = fc.record({ device: patterns, metric: patterns, site: patterns }, { requiredKeys: [] });
const name = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 3 });
const anySeries = fc.record({
  device: name,
  metric: name,
  tags: fc.record({ site: name }, { requiredKeys: [] }),
  kind: fc.constant("number" as const),
});

/** As docs/windows.md defines it. */
function bruteForce(where: Readonly<Record<string, string | readonly string[]>>, one: Series): boolean {
  const labels: Record<string, string | undefined> = { ...one.tags, device: one.device, metric: one.metric };
  const fits = (text: string, glob: string) =>
    new RegExp(`^${glob.replaceAll("*", ".*").replaceAll("?", ".")}$`).test(text);
  return Object.entries(where).every(([label, list]) => {
    const all = [list].flat();
    const text = labels[label];
    const wanted = all.filter((one) => one[0] !== "!");
    if (text === undefined) return wanted.length === 0;
    if (all.some((one) => one[0] === "!" && fits(text, one.slice(1)))) return false;
    return wanted.length === 0 || wanted.some((one) => fits(text, one));
  });
}

test("selectors, and the index over many of them, agree with brute force", () => {
  fc.assert(
    fc.property(
      fc.array(wheres, { minLength: 1, maxLength: 8 }),
      fc.array(anySeries, { minLength: 1 }),
      (all, many) => {
        const context = {
          position: { task: 0, sequence: 0, storedAtUs: 0 },
          output: new StepOutput(),
          nowUs: 0,
          fillBudget: { left: 0 },
          windowsMax: 1e6,
          keyHasher: new KeyHasher(),
        };
        const inputs = all.map((where, index) => {
          const [spec] = compileRule(rule({ id: "a", where, window: { tumbling: "1m" } })).inputs;
          if (spec === undefined) throw new Error("a rule without input");
          const input = new Input(spec, context, { timers: new KeyTimers(), lives: new KeyLives() });
          input.index = index;
          return input;
        });
        const index = new SeriesIndex(inputs, ({ spec }) => spec.selector);
        for (const one of many) {
          const expected = all.map((where) => bruteForce(where, one));
          expect(inputs.map(({ spec }) => spec.selector.matches(one))).toEqual(expected);
          const found = new Set(index.readersOf(one));
          expect(inputs.map((input) => found.has(input))).toEqual(expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});
