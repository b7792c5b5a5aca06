import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { covers, matchTopic, mismatchOf, parseTopicPattern, type TopicPattern } from "./topic-pattern.ts";

function pattern(text: string): TopicPattern {
  const parsed = parseTopicPattern(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

test.each<[string, string, Record<string, string> | undefined]>([
  ["a/{device}", "a/x", { device: "x" }],
  ["a/{device}", "a/x/y", undefined],
  ["a/+/{device}", "a/b/c", { device: "c" }],
  ["a/{device}/#", "a/x", { device: "x" }],
  ["a/{device}/#", "a/x/y/z", { device: "x" }],
  ["a/{device...}", "a/x/y/z", { device: "x/y/z" }],
  ["a/{device...}", "a", undefined],
  ["a/{device...}/set", "a/x/y/set", { device: "x/y" }],
  ["a/{device...}/set", "a/set", undefined],
  ["N/{s}/{metric...}", "N/b/Dc/0/V", { s: "b", metric: "Dc.0.V" }],
  ["{model}-{id}/up", "LaCrosse-TX141-58/up", { model: "LaCrosse-TX141", id: "58" }],
  ["{model}-{id}/up", "-58/up", undefined],
  ["{model}-{id}/up", "x-/up", undefined],
  ["{a}-{b}-{c}", "1-2-3-4", { a: "1-2", b: "3", c: "4" }],
  ["h/{device}/\u0024{attr}", "h/x/$state", { device: "x", attr: "state" }],
  ["ch{channel}/x", "ch0/x", { channel: "0" }],
  ["ch{channel}/x", "ch/x", undefined],
  ["{x}ab", "ab", undefined],
])("%s and the topic %s", (text, topic, captured) => {
  expect(matchTopic(pattern(text), topic.split("/"))).toEqual(captured);
  if (captured === undefined) expect(mismatchOf(pattern(text), topic.split("/"))).not.toContain("matches");
});

test.each([
  ["a/#/b", "last level"],
  ["a/{x}/{x}", "captured twice"],
  ["a/{x...}/{y...}", "only one capture"],
  ["a/{x...}/#", "do not go together"],
  ["a/b{x...}", "takes whole levels"],
  ["a/{x}{y}", "a text between"],
  ["a/{X}", "neither a plain level"],
  ["a/b+", "mixes"],
  ["$SYS/{device}", "belong to the broker"],
])("the topic %s is refused", (text, words) => {
  expect(parseTopicPattern(text)).toContain(words);
});

test.each([
  ["a/#", "a/{device}/x", true],
  ["a/{device}", "a/b", true],
  ["a/b", "a/{device}", false],
  ["a/{device...}", "a/b/c", true],
  ["a/{device...}", "a/#", false],
  ["a/{device...}/set", "a/{device...}", false],
  ["a/{device...}", "a/{device...}/set", true],
  ["a/+/#", "a/{x...}/b", false],
  ["a/{x}-{y}", "a/{v}-{w}", true],
  ["a/{x}-{y}", "a/{v}", false],
  ["#", "a/{device}", true],
])("%s takes all topics of %s: %j", (earlier, later, expected) => {
  expect(covers(pattern(earlier), pattern(later))).toBe(expected);
});

test.each(WORST_TEXTS)("%s are matched in linear time", (_name, worst) => {
  for (const text of ["{a}-{b}-{c}-{d}/x", "{a...}/x", "a/{b...}/c/{d}", "1{a}1{b}1/x"]) {
    const parsed = pattern(text);
    for (const topic of [worst, `${worst}/x`, `a/${worst}/c/d`]) {
      expect(msOf(() => matchTopic(parsed, topic.split("/")))).toBeLessThan(WORST_MS_MAX);
    }
  }
});
