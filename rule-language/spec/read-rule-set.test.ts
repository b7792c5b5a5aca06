import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileRule } from "../../engine/rules/compile.ts";
import { BadRuleSetError, checkedRuleSet, readRuleSet } from "./read-rule-set.ts";

/** Rule sets as older versions wrote them to the log. */
const OLD = readdirSync(new URL("./testdata/", import.meta.url)).filter((name) => name.startsWith("rule-set-"));

test.each(OLD)("%s, of an older version, is read with the defaults of later fields", (name) => {
  const json = readFileSync(new URL(`./testdata/${name}`, import.meta.url), "utf8");
  const specs = checkedRuleSet(json);
  const written: unknown = JSON.parse(json);
  expect(specs).toMatchObject(Array.isArray(written) ? written : []);
  for (const spec of specs) {
    expect(spec).toMatchObject({
      shadow: expect.any(Boolean),
      inhibited_by: expect.any(Array),
      fill: expect.any(String),
    });
    expect(() => compileRule(spec)).not.toThrow();
  }
  // Writing the result again must not change it.
  expect(checkedRuleSet(JSON.stringify(specs))).toEqual(specs);
});

test("the samples come from several older versions", () => {
  expect(OLD.length).toBeGreaterThanOrEqual(4);
});

test.each([
  ["[", /^the rule set is not JSON: /],
  ["{}", "the rule set is not a list of rules"],
  ["[5]", /^the rule cannot be read: /],
  ['[{"id":"a","window":{"tumbling":"1m"},"tomorrow":true}]', /^the rule "a" cannot be read: .*"tomorrow"/],
  ['[{"id":"a","window":{"tumbling":"1m"},"aggregate":["newest"]}]', /^the rule "a" cannot be read: aggregate\.0: /],
])("%s is rejected with a reason", (json, reason) => {
  const read = readRuleSet(json);
  expect(read.ok ? "" : read.reason).toMatch(reason);
  expect(() => checkedRuleSet(json)).toThrow(BadRuleSetError);
});
