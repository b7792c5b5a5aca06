import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopicTrie } from "../common/topic-trie.ts";
import { covers, patternFault, permissionFor } from "./topic-permission.ts";

function mayPublish(pattern: string, topic: string, client = "c1"): boolean {
  return permissionFor({ publish: [pattern], subscribe: [] }, { user: "alice", client }).mayPublish(topic);
}

function maySubscribe(pattern: string, filter: string, client = "c1"): boolean {
  return permissionFor({ publish: [], subscribe: [pattern] }, { user: "alice", client }).maySubscribe(filter);
}

describe("topic permissions", () => {
  it.each([
    ["sensors/{user}/#", "sensors/alice/t", true],
    ["sensors/{user}/#", "sensors/bob/t", false],
    ["sensors/{user}/#", "sensors/alice", true],
    ["sensors/{user}/#", "sensors/alicex/t", false],
    ["sensors/{client}/+", "sensors/c1/t", true],
    ["sensors/{client}/+", "sensors/c1/t/u", false],
    ["sensors/dev-{client}/+", "sensors/dev-c1/t", true],
    ["#", "a", true],
    ["#", "$SYS/a", false],
    ["$SYS/#", "$SYS/a", true],
  ])("%s lets publish to %s: %s", (pattern, topic, expected) => {
    expect(mayPublish(pattern, topic)).toBe(expected);
  });

  it.each([
    ["a/#", "a/+/c", true],
    ["a/#", "#", false],
    ["a/+", "a/#", false],
    ["a/+/#", "a/#", false],
    ["a/+/#", "a/+", true],
    ["a/b", "a/+", false],
    ["#", "#", true],
    ["#", "$SYS/#", false],
    ["+/b", "$SYS/b", false],
  ])("%s lets subscribe to %s: %s", (pattern, filter, expected) => {
    expect(maySubscribe(pattern, filter)).toBe(expected);
  });

  it.each(["+", "#", "a/b", "", "$SYS"])("a client id of `%s` grants nothing", (client) => {
    expect(maySubscribe("sensors/{client}/#", "sensors/+/#", client)).toBe(false);
    expect(maySubscribe("sensors/{client}/#", `sensors/${client}/#`, client)).toBe(false);
    expect(mayPublish("{client}/#", "$SYS/a", client)).toBe(false);
  });

  it("covers a filter only when it matches every topic that the filter matches", () => {
    const level = fc.constantFrom("a", "b", "+");
    const filter = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([levels, open]) => (open ? [...levels, "#"] : levels));
    // All topics of one to five levels: deep enough to distinguish any two such filters.
    const topics: string[][] = ["a", "b", "c"].map((name) => [name]);
    for (const topic of topics) if (topic.length < 5) for (const name of ["a", "b", "c"]) topics.push([...topic, name]);
    const matching = (pattern: readonly string[]) => {
      const trie = new TopicTrie<1>();
      trie.add(pattern.join("/"), 1);
      return topics.filter((topic) => trie.matchesAny(topic.join("/")));
    };
    fc.assert(
      fc.property(filter, filter, (pattern, asked) => {
        const allowed = new Set(matching(pattern).map((topic) => topic.join("/")));
        expect(covers(pattern, asked)).toBe(matching(asked).every((topic) => allowed.has(topic.join("/"))));
      }),
      { numRuns: 200 },
    );
  });

  it.each(["a/#/b", "a#", "a/b+", "{nobody}/a", "a/{user", "a/}", "", "a\u0000"])("rejects `%s`", (pattern) => {
    expect(patternFault(pattern)).toBeTypeOf("string");
  });

  it.each(["#", "+", "a/+/#", "{user}/{client}", "x{user}-{client}"])("accepts `%s`", (pattern) => {
    expect(patternFault(pattern)).toBeUndefined();
  });
});
