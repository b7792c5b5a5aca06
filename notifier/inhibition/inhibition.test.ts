import fc from "fast-check";
import { expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import { type ChangeOptions, changeOf, hashOf, T0 } from "../testing/test-kit.ts";
import { Inhibitions } from "./inhibition.ts";

const S = 1_000_000;
const WAIT = 15 * S;
const AFTER = 60 * S;
const HOUR = 3_600 * S;

function entryOf(options: ChangeOptions, sequence = 1): ChangeEntry {
  const change = changeOf(options);
  const alert = `${change.rule}.${hashOf(change.key.device ?? "")}`;
  return { alert, sequence, storedAtUs: change.processedAtUs, source: "/weir", change };
}

/** What the incidents of `sources`, all known at T0, hold. */
function holding(sources: readonly ChangeOptions[], options: ChangeOptions): string[] {
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  for (const source of sources) inhibitions.apply(entryOf(source), T0);
  return inhibitions.holding(changeOf(options), T0);
}

const DOWN = { rule: "gateway-down", device: "gw" };
const down = changeOf(DOWN).incident;

test.each<[string, ChangeOptions, ChangeOptions, boolean]>([
  ["equal labels", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] }, true],
  ["another value", DOWN, { site: "south", inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] }, false],
  ["one of two labels", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["site", "device"] }] }, false],
  ["no labels asked", DOWN, { site: "south", inhibitedBy: [{ rule: "gateway-down", equal: [] }] }, true],
  ["a glob", DOWN, { inhibitedBy: [{ rule: "gateway-*", equal: ["site"] }] }, true],
  ["another rule", DOWN, { inhibitedBy: [{ rule: "gateway", equal: [] }] }, false],
  ["the second of two", DOWN, { inhibitedBy: ["x", "gateway-down"].map((rule) => ({ rule, equal: [] })) }, true],
  ["a label that both lack", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["line"] }] }, false],
  [
    "a label of the rules",
    { ...DOWN, labels: { line: "3" } },
    { labels: { line: "3" }, inhibitedBy: [{ rule: "*", equal: ["line"] }] },
    true,
  ],
  ["pending inhibits nothing", { ...DOWN, state: "pending" }, { inhibitedBy: [{ rule: "*", equal: [] }] }, false],
  ["a muted one does", { ...DOWN, muted: true }, { inhibitedBy: [{ rule: "*", equal: [] }] }, true],
  ["a rule not itself", { ...DOWN, rule: "hot" }, { rule: "hot", inhibitedBy: [{ rule: "*", equal: [] }] }, false],
])("%s", (_, source, target, held) => {
  expect(holding([source], target)).toEqual(held ? [changeOf(source).incident] : []);
});

test("what ended goes on inhibiting for a while, also when only its end is known", () => {
  const target = changeOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] });
  const end = entryOf({ ...DOWN, state: "resolved", atUs: T0 + S });
  const watching = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  watching.apply(entryOf(DOWN), T0);
  watching.apply(end, T0 + S);
  const restarted = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  restarted.apply(end, T0 + 5 * S);
  for (const inhibitions of [watching, restarted]) {
    expect(inhibitions.holding(target, T0 + S + AFTER - 1)).toEqual([down]);
    inhibitions.prune(T0 + S + AFTER - 1);
    expect(inhibitions.holding(target, T0 + S + AFTER - 1)).toEqual([down]);
    expect(inhibitions.holding(target, T0 + S + AFTER)).toEqual([]);
    inhibitions.prune(T0 + S + AFTER);
    expect(inhibitions.holding(target, T0 + S)).toEqual([]);
  }
  const late = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  late.apply(end, T0 + S + AFTER);
  expect(late.holding(target, T0 + S)).toEqual([]);
});

test("an incident that is over is judged by what fired then, also after a restart", () => {
  const target = entryOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] });
  const end = entryOf({ ...DOWN, state: "resolved", atUs: T0 + 100 * S });
  const nowUs = T0 + HOUR;
  const watching = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  watching.apply(entryOf({ ...DOWN, atUs: T0 + 20 * S }), T0 + 20 * S);
  watching.apply(end, T0 + 100 * S);
  watching.seen(1);
  watching.prune(nowUs);
  const kinds = [4, 5, 159, 160].map((s) => watching.look(target, nowUs, T0 + s * S).kind);
  expect(kinds).toEqual(["free", "held", "held", "free"]);
  expect(watching.look(target, nowUs).kind).toBe("free");
  const restarted = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  restarted.apply(end, nowUs);
  restarted.seen(1);
  expect(restarted.look(target, nowUs, T0 + 159 * S)).toEqual({ kind: "held", by: [down] });
  restarted.prune(T0 + 100 * S + HOUR);
  expect(restarted.look(target, nowUs, T0 + 159 * S).kind).toBe("free");
});

test("a new incident of an alert takes the place of the one before", () => {
  const target = changeOf({ inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] });
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  inhibitions.apply(entryOf(DOWN), T0);
  inhibitions.apply(entryOf({ ...DOWN, state: "resolved" }), T0);
  inhibitions.apply(entryOf({ ...DOWN, round: 2 }), T0);
  const again = changeOf({ ...DOWN, round: 2 }).incident;
  inhibitions.prune(T0 + 10 * AFTER);
  expect(inhibitions.holding(target, T0 + 10 * AFTER)).toEqual([again]);
});

test("a change is not judged before the log is read that far, nor before it has waited", () => {
  const entry = entryOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] }, 7);
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  inhibitions.seen(6);
  expect(inhibitions.look(entry, T0 + WAIT)).toEqual({ kind: "wait", untilUs: T0 + WAIT });
  inhibitions.seen(7);
  expect(inhibitions.look(entry, T0 + WAIT - 1)).toEqual({ kind: "wait", untilUs: T0 + WAIT });
  expect(inhibitions.look(entry, T0 + WAIT)).toEqual({ kind: "free" });
  expect(inhibitions.look(entryOf({}, 99), T0)).toEqual({ kind: "free" });
  inhibitions.apply(entryOf(DOWN), T0);
  expect(inhibitions.look(entry, T0)).toEqual({ kind: "held", by: [down] });
});

test("of rules that inhibit each other the earliest incident is told, whichever is known first", () => {
  const first = { rule: "a", atUs: T0, inhibitedBy: [{ rule: "b", equal: [] }] };
  const second = { rule: "b", atUs: T0 + 1, inhibitedBy: [{ rule: "c", equal: [] }] };
  const third = { rule: "c", atUs: T0 + 2, inhibitedBy: [{ rule: "a", equal: [] }] };
  for (const order of [
    [first, second, third],
    [third, second, first],
  ]) {
    expect(holding(order, first)).toEqual([]);
    expect(holding(order, third)).toEqual([changeOf(first).incident]);
    // Its inhibitor came later, in a circle: so it does not hold it.
    expect(holding(order, second)).toEqual([]);
  }
  // Without the third there is no circle.
  expect(holding([first, second], first)).toEqual([changeOf(second).incident]);
});

test("after an edit the older incidents still count as part of a circle", () => {
  const old = { rule: "a", device: "d1", atUs: T0 + 5, inhibitedBy: [{ rule: "b", equal: [] }] };
  const edited = { rule: "a", device: "d2", atUs: T0 + 6 };
  const other = { rule: "b", atUs: T0, inhibitedBy: [{ rule: "a", equal: [] }] };
  const all = [old, edited, other];
  expect(holding(all, other)).toEqual([]);
  expect(holding(all, old)).toEqual([changeOf(other).incident]);
  // It may become one while its rules fire.
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  for (const each of [edited, other]) inhibitions.apply(entryOf(each), T0);
  expect(inhibitions.holding(changeOf(other), T0)).toEqual([changeOf(edited).incident]);
  inhibitions.apply(entryOf(old), T0);
  expect(inhibitions.holding(changeOf(other), T0)).toEqual([]);
});

const RULES = ["a", "b", "c", "d"];
const source = fc.record({
  rule: fc.constantFrom(...RULES),
  device: fc.constantFrom("d1", "d2", "d3"),
  site: fc.constantFrom("north", "south"),
  at: fc.integer({ min: 0, max: 3 }),
});
const inhibitedBy = fc.array(
  fc.record({ rule: fc.constantFrom(...RULES, "*"), equal: fc.constantFrom([], ["site"], ["device"]) }),
  { maxLength: 2 },
);

test("any rules, any incidents: whoever is held is held by a chain that ends at one that is told; circles apart, all that fit hold", () => {
  let heldInAll = 0;
  fc.assert(
    fc.property(
      fc.array(source, { minLength: 1, maxLength: 12 }),
      fc.array(inhibitedBy, { minLength: 4, maxLength: 4 }),
      (sources, spec) => {
        const unique = [...new Map(sources.map((each) => [`${each.rule} ${each.device}`, each])).values()];
        const changes = unique.map(({ rule, device, site, at }) => {
          const own = spec[RULES.indexOf(rule)] ?? [];
          return changeOf({ rule, device, site, atUs: T0 + at, ...(own.length > 0 ? { inhibitedBy: own } : {}) });
        });
        const relationOf = (ordered: readonly AlertChange[]): Map<string, string[]> => {
          const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
          for (const change of ordered) {
            const alert = `${change.rule}.${change.key.device}`;
            inhibitions.apply({ alert, sequence: 1, storedAtUs: T0, source: "", change }, T0);
          }
          return new Map(changes.map((change) => [change.incident, inhibitions.holding(change, T0).sort()]));
        };
        const relation = relationOf(changes);
        expect(relationOf([...changes].reverse())).toEqual(relation);

        // The plain meaning, pair by pair; one that it has and the relation lacks must be part of a circle.
        const fits = (target: AlertChange, by: AlertChange): boolean =>
          target.rule !== by.rule &&
          (target.inhibitedBy ?? []).some(
            ({ rule, equal }) =>
              (rule === "*" || rule === by.rule) && equal.every((name) => target.labels[name] === by.labels[name]),
          );
        const ruleReaches = (from: string, to: string, seen: readonly string[] = []): boolean =>
          from === to ||
          changes.some(({ rule, inhibitedBy: own = [] }) =>
            rule === from
              ? RULES.some(
                  (next) =>
                    next !== from &&
                    !seen.includes(next) &&
                    own.some((each) => each.rule === "*" || each.rule === next) &&
                    ruleReaches(next, to, [...seen, from]),
                )
              : false,
          );
        for (const target of changes) {
          const held = relation.get(target.incident) ?? [];
          heldInAll += held.length;
          for (const by of changes) {
            const isHeld = held.includes(by.incident);
            if (isHeld) expect(fits(target, by)).toBe(true);
            else if (fits(target, by) && held.length < 10) expect(ruleReaches(by.rule, target.rule)).toBe(true);
          }
          // Whichever way one follows, one comes to an incident that is told.
          const walk = (incident: string, path: readonly string[]): void => {
            expect(path).not.toContain(incident);
            for (const next of relation.get(incident) ?? []) walk(next, [...path, incident]);
          };
          walk(target.incident, []);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(heldInAll).toBeGreaterThan(100);
});
