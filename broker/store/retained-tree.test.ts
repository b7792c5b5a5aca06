import fc from "fast-check";
import { expect, test } from "vitest";
import { RetainedTree } from "./retained-tree.ts";
import { LIMITS, message } from "./testing/store-kit.ts";

/** The rule of MQTT 5 section 4.7 as a regular expression, independent of the tree. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const source = filter
    .replace(/[.*?^$()[\]{}|\\]/g, "\\$&")
    .replace(/\+/g, "[^/]*")
    .replace(/^#$/, ".*")
    .replace(/\/#$/, "(/.*)?");
  return new RegExp(`^${source}$`, "s").test(topic);
}

const level = fc.constantFrom("", "a", "b", "$SYS");
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, open]) => (open ? [...levels.slice(0, -1), "#"] : levels).join("/"));

test("retained messages match as the standard specifies, after any changes", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(topic, fc.boolean()), { maxLength: 20 }),
      fc.array(filter, { minLength: 1, maxLength: 3 }),
      (changes, filters) => {
        const tree = new RetainedTree(LIMITS);
        const model = new Set<string>();
        for (const [name, isKept] of changes) {
          if (isKept) tree.set(message("m", { topic: name }));
          else expect(tree.delete(name)).toBe(model.has(name));
          if (isKept) model.add(name);
          else model.delete(name);
        }
        expect(tree.size).toBe(model.size);
        expect([...tree.all()].map((each) => each.topic).sort()).toEqual([...model].sort());
        const expected = [...model].filter((name) => filters.some((each) => matches(each, name)));
        expect([...tree.matching(filters)].map((each) => each.topic).sort()).toEqual(expected.sort());
      },
    ),
  );
});
