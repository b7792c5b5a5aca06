import fc from "fast-check";
import { expect, test } from "vitest";
import { matchTopic, parseTopicPattern, type TopicPattern } from "../names/topic-pattern.ts";
import { whyUnknown } from "./nearest-source.ts";

function patternsOf(texts: readonly string[]): TopicPattern[] {
  return texts.map((text) => {
    const pattern = parseTopicPattern(text);
    if (typeof pattern === "string") throw new Error(pattern);
    return pattern;
  });
}

const DEFAULTS = ["sensors/{site}/{device}/telemetry", "sensors/{site}/{device}/{metric}"];

test.each([
  [DEFAULTS, "sensors/north/cold-1", "sensors/{site}/{device}/telemetry: it has 3 levels, not 4"],
  [DEFAULTS, "plant/north/cold-1/t", 'sensors/{site}/{device}/telemetry: level 1 is "plant", not sensors'],
  [["a/b", "a/{x}/c/{device}"], "a/1/d/e", 'a/{x}/c/{device}: level 3 is "d", not c'],
  [["a/{model}-{device}/t"], "a/noname/t", 'a/{model}-{device}/t: level 2 is "noname", not {model}-{device}'],
  [["a/{device}/#"], "a", "a/{device}/#: it has 1 levels, not at least 2"],
  [["a/{device...}/t"], "a/b/c/u", "a/{device...}/t: its last levels are others"],
])("%j, %s: the nearest is %s", (sources, topic, expected) => {
  expect(whyUnknown(patternsOf(sources), topic.split("/"))).toBe(
    `no source matches this topic; the nearest is ${expected}`,
  );
});

test("whatever the topic, it says something, and takes little time", () => {
  const patterns = patternsOf([...DEFAULTS, "a/{device...}/t", "{a}-{b}/{device}/#"]);
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 8 }), (levels) => {
      fc.pre(patterns.every((pattern) => matchTopic(pattern, levels) === undefined));
      expect(whyUnknown(patterns, levels)).toMatch(/; the nearest is .+: .+/s);
    }),
  );
  const long = Array.from({ length: 30_000 }, () => "");
  expect(whyUnknown(patterns, long)).toContain("the nearest is");
});
