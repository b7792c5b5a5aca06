import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { suggestDuration } from "../../platform/files/suggest-duration.ts";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { parseAggregate, suggestAggregate } from "../aggregates/aggregate.ts";
import { ruleFileJsonSchema } from "../reference/rule-schema.ts";
import { parseCondition } from "./condition.ts";
import { suggestCondition } from "./suggest-condition.ts";

test.each([
  ["> 8", { kind: "compare", operator: ">", limit: 8 }],
  ["<= -.5e1", { kind: "compare", operator: "<=", limit: -5 }],
  ["== 5.", { kind: "compare", operator: "==", limit: 5 }],
  ["Between +2 and 8E1", { kind: "between", low: 2, high: 80 }],
  ["== not ready", { kind: "text", equal: true, text: "not ready" }],
])("condition %j", (text, expected) => {
  expect(parseCondition(text)).toEqual(expected);
});

test.each(["duration()", "duration( )", "count_if()", "rate( )"])("%j is not an aggregate", (name) => {
  expect(parseAggregate(name)).toMatchObject({ code: "bad_aggregate", facts: { text: name } });
});

const validate = new Ajv({ strict: false }).compile(ruleFileJsonSchema());

function ruleWith(when: string): unknown {
  const window = { tumbling: "1m" };
  return { rules: [{ id: "a", where: { metric: "m" }, window, aggregates: ["avg"], when }] };
}

describe.each(WORST_TEXTS)("parsing %s takes linear time", (_name, worst) => {
  const texts = [worst, `> ${worst}`, `between ${worst} and ${worst}`, `== a${worst}!`, `between ${worst}`.repeat(2)];

  test("as a condition, and in the schema for editors", () => {
    for (const text of texts) {
      expect(msOf(() => parseCondition(text))).toBeLessThan(WORST_MS_MAX);
      expect(msOf(() => validate(ruleWith(text)))).toBeLessThan(WORST_MS_MAX);
    }
  });

  test("as an aggregate, and where a value is suggested", () => {
    for (const text of [...texts, `count_if(${worst}\n)`, `rate(${worst}`, `duration ${worst}\n`]) {
      expect(msOf(() => parseAggregate(text))).toBeLessThan(WORST_MS_MAX);
      expect(msOf(() => suggestAggregate(text))).toBeLessThan(WORST_MS_MAX);
      expect(msOf(() => suggestCondition(text))).toBeLessThan(WORST_MS_MAX);
      expect(msOf(() => suggestDuration(text))).toBeLessThan(WORST_MS_MAX);
    }
  });
});
