import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopicTrie } from "./topic-trie.ts";

/** The rule of MQTT 3.1.1 section 4.7 as a regular expression, independent of the trie. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const source = filter
    .replace(/[.*?^$()[\]{}|\\]/g, "\\$&")
    .replace(/\+/g, "[^/]*")
    .replace(/^#$/, ".*")
    .replace(/\/#$/, "(/.*)?");
  return new RegExp(`^${source}$`, "s").test(topic);
}

const level = fc.constantFrom("", "a", "b", "c", "$SYS");
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, open]) => (open ? [...levels.slice(0, -1), "#"] : levels).join("/"));

describe("topic trie", () => {
  it("matches as the standard specifies, after any sequence of adds and removes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ filter, keep: fc.boolean() }), { maxLength: 12 }),
        fc.array(topic, { maxLength: 8 }),
        (entries, topics) => {
          const trie = new TopicTrie<number>();
          for (const [index, entry] of entries.entries()) trie.add(entry.filter, index);
          for (const [index, entry] of entries.entries()) {
            if (!entry.keep) expect(trie.remove(entry.filter, (value) => value === index)).toBe(true);
          }
          for (const name of topics) {
            const expected = entries.flatMap((entry, index) =>
              entry.keep && matches(entry.filter, name) ? [index] : [],
            );
            expect([...trie.match(name)].sort((a, b) => a - b)).toEqual(expected);
            expect(trie.matchesAny(name)).toBe(expected.length > 0);
          }
        },
      ),
    );
  });

  it.each([
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/monitor", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/monitor", true],
  ])("agrees with the standard's examples: %s and %s", (pattern, name, expected) => {
    const trie = new TopicTrie<1>();
    trie.add(pattern, 1);
    expect(trie.matchesAny(name)).toBe(expected);
  });
});
