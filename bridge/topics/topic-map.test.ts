import fc from "fast-check";
import { expect, test } from "vitest";
import { covers, overlaps, parseMapping, TopicMap } from "./topic-map.ts";

function apply(from: string, to: string | undefined, topic: string): string | undefined {
  const parsed = parseMapping(from, to);
  if (parsed.kind === "bad") throw new Error(parsed.why);
  return parsed.mapping.apply(topic);
}

test.each([
  ["a/#", undefined, "a/b/c", "a/b/c"],
  ["a/#", undefined, "b", undefined],
  ["site/+/up/#", "sensors/+/#", "site/7/up/press/t", "sensors/7/press/t"],
  ["site/{site}/up/{device}", "{device}/{site}/t", "site/7/up/press", "press/7/t"],
  ["site/{site}/up/{device}", "{device}/{site}/t", "site/7/up", undefined],
  ["site/{site}/up/{device}", "{device}/{site}/t", "site/7/up/press/x", undefined],
  // A prefix more, a prefix less.
  ["#", "plant/#", "a/b", "plant/a/b"],
  ["plant/#", "#", "plant/a/b", "a/b"],
  // Nothing would be left.
  ["plant/#", "#", "plant", undefined],
  ["plant/#", "p/#", "plant", "p"],
  // Empty levels are levels.
  ["+/+", "x/+/+", "/a", "x//a"],
  ["#", "x/#", "a//b/", "x/a//b/"],
  // Topics of the broker's own.
  ["#", undefined, "$SYS/load", undefined],
  ["+/load", undefined, "$SYS/load", undefined],
  ["$SYS/#", "sys/#", "$SYS/load", "sys/load"],
])("%s to %s: %s becomes %s", (from, to, topic, expected) => {
  expect(apply(from, to, topic)).toBe(expected);
});

test.each([
  ["a/#/b", undefined, "from", "# may only be the last level"],
  ["a/b#", undefined, "from", '"b#" is neither a plain level nor {name}'],
  ["{a}/{a}", undefined, "from", "a name is used twice"],
  ["{a}", "{b}", "to", '{b} is not a name of "{a}"'],
  ["a/+", "+/+", "to", 'has more + than "a/+"'],
  ["a/+", "b/#", "to", 'ends with #, but "a/+" does not'],
  ["a", "b/\u0000", "to", "control characters"],
  ["a/{B}", undefined, "from", "neither a plain level"],
])("%s to %s is refused", (from, to, where, why) => {
  const parsed = parseMapping(from, to);
  expect(parsed).toMatchObject({ kind: "bad", in: where });
  expect(parsed.kind === "bad" && parsed.why).toContain(why);
});

/** MQTT's own rules of matching, written once more: as a regular expression. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const escaped = filter
    .split("/")
    .map((level) => (level === "+" ? "[^/]*" : level.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")))
    .join("/");
  const pattern = escaped === "#" ? ".*" : escaped.replace(/\/#$/, "(/.*)?");
  return new RegExp(`^${pattern}$`).test(topic);
}

const level = fc.constantFrom("a", "b", "", "$x");
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => [...levels, ...(rest ? ["#"] : [])].join("/"));

test("a filter matches as MQTT says", () => {
  fc.assert(
    fc.property(filters, topics, (filter, topic) => {
      expect(apply(filter, undefined, topic)).toBe(matches(filter, topic) ? topic : undefined);
    }),
    { numRuns: 2_000 },
  );
});

test("a filter covers another one if no topic matches that one alone", () => {
  fc.assert(
    fc.property(filters, filters, topics, (outer, inner, topic) => {
      if (covers(outer, inner) && matches(inner, topic)) expect(matches(outer, topic)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
  expect(covers("a/#", "a/+/c")).toBe(true);
  expect(covers("a/#", "a")).toBe(true);
  expect(covers("a/+", "a/#")).toBe(false);
  expect(covers("a/+/c", "a/b/+")).toBe(false);
  expect(covers("#", "$SYS/#")).toBe(false);
});

test("a filter that another one covers is not subscribed to", () => {
  const map = new TopicMap([
    { from: "a/{x}/c", to: "{x}", extra: 1 },
    { from: "a/#", to: undefined, extra: 2 },
    { from: "a/b/c", to: undefined, extra: 3 },
    { from: "b", to: undefined, extra: 4 },
  ]);
  expect(map.filters()).toEqual([
    { filter: "a/#", extras: [1, 2, 3] },
    { filter: "b", extras: [4] },
  ]);
});

test("two filters overlap if some topic matches both", () => {
  fc.assert(
    fc.property(filters, filters, topics, (left, right, topic) => {
      if (matches(left, topic) && matches(right, topic)) expect(overlaps(left, right)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
  expect(overlaps("a/{x}/c", "a/b/+")).toBe(true);
  expect(overlaps("a/b", "a/c")).toBe(false);
  expect(overlaps("a/#", "b/#")).toBe(false);
  expect(overlaps("a/#", "a")).toBe(true);
  expect(overlaps("a", "a/b")).toBe(false);
});
