import fc from "fast-check";
import { expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import { type ChangeOptions, changeOf, hashOf, T0 } from "../testing/test-kit.ts";
import { Inhibitions } from "./inhibitions.ts";

const S = 1_000_000;
const WAIT = 15 * S;
const AFTER = 60 * S;
const HOUR = 3_600 * S;

function loggedOf(options: ChangeOptions, sequence = 1): LoggedChange {
  const change = changeOf(options);
  const alert = `${change.rule}.${hashOf(change.key.device ?? "")}`;
  return { alert, sequence, storedAtUs: change.processedAtUs, source: "/weir", change };
}

/** The incidents among `sources`, all known at T0, that inhibit a change. */
function inhibiting(sources: readonly ChangeOptions[], options: ChangeOptions): string[] {
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  for (const source of sources) inhibitions.apply(loggedOf(source), T0);
  return inhibitions.inhibiting(changeOf(options), T0);
}

const DOWN = { rule: "gateway-down", device: "gw" };
const down = changeOf(DOWN).incident;

test.each<[string, ChangeOptions, ChangeOptions, boolean]>([
  ["equal labels", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] }, true],
  ["a different value", DOWN, { site: "south", inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] }, false],
  ["one of two labels", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["site", "device"] }] }, false],
  ["no labels named", DOWN, { site: "south", inhibitedBy: [{ rule: "gateway-down", equal: [] }] }, true],
  ["a glob", DOWN, { inhibitedBy: [{ rule: "gateway-*", equal: ["site"] }] }, true],
  ["a different rule", DOWN, { inhibitedBy: [{ rule: "gateway", equal: [] }] }, false],
  ["the second of two rules", DOWN, { inhibitedBy: ["x", "gateway-down"].map((rule) => ({ rule, equal: [] })) }, true],
  ["a label that both lack", DOWN, { inhibitedBy: [{ rule: "gateway-down", equal: ["line"] }] }, false],
  [
    "a label of the rules",
    { ...DOWN, labels: { line: "3" } },
    { labels: { line: "3" }, inhibitedBy: [{ rule: "*", equal: ["line"] }] },
    true,
  ],
  ["pending inhibits nothing", { ...DOWN, state: "pending" }, { inhibitedBy: [{ rule: "*", equal: [] }] }, false],
  ["a muted incident inhibits", { ...DOWN, muted: true }, { inhibitedBy: [{ rule: "*", equal: [] }] }, true],
  [
    "a rule does not inhibit itself",
    { ...DOWN, rule: "hot" },
    { rule: "hot", inhibitedBy: [{ rule: "*", equal: [] }] },
    false,
  ],
])("%s", (_, source, target, inhibited) => {
  expect(inhibiting([source], target)).toEqual(inhibited ? [changeOf(source).incident] : []);
});

test("an ended incident inhibits for a limited time, even if only its end is known", () => {
  const target = changeOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] });
  const end = loggedOf({ ...DOWN, state: "resolved", atUs: T0 + S });
  const watching = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  watching.apply(loggedOf(DOWN), T0);
  watching.apply(end, T0 + S);
  const restarted = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  restarted.apply(end, T0 + 5 * S);
  for (const inhibitions of [watching, restarted]) {
    expect(inhibitions.inhibiting(target, T0 + S + AFTER - 1)).toEqual([down]);
    inhibitions.prune(T0 + S + AFTER - 1);
    expect(inhibitions.inhibiting(target, T0 + S + AFTER - 1)).toEqual([down]);
    expect(inhibitions.inhibiting(target, T0 + S + AFTER)).toEqual([]);
    inhibitions.prune(T0 + S + AFTER);
    expect(inhibitions.inhibiting(target, T0 + S)).toEqual([]);
  }
  const late = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  late.apply(end, T0 + S + AFTER);
  expect(late.inhibiting(target, T0 + S)).toEqual([]);
});

test("an ended incident is evaluated against the incidents of its time, even after a restart", () => {
  const target = loggedOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] });
  const end = loggedOf({ ...DOWN, state: "resolved", atUs: T0 + 100 * S });
  const nowUs = T0 + HOUR;
  const watching = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  watching.apply(loggedOf({ ...DOWN, atUs: T0 + 20 * S }), T0 + 20 * S);
  watching.apply(end, T0 + 100 * S);
  watching.seen(1);
  watching.prune(nowUs);
  const kinds = [4, 5, 159, 160].map((s) => watching.evaluate(target, nowUs, T0 + s * S).kind);
  expect(kinds).toEqual(["none", "inhibited", "inhibited", "none"]);
  expect(watching.evaluate(target, nowUs).kind).toBe("none");
  const restarted = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  restarted.apply(end, nowUs);
  restarted.seen(1);
  expect(restarted.evaluate(target, nowUs, T0 + 159 * S)).toEqual({ kind: "inhibited", by: [down] });
  restarted.prune(T0 + 100 * S + HOUR);
  expect(restarted.evaluate(target, nowUs, T0 + 159 * S).kind).toBe("none");
});

test("a new incident of an alert replaces the previous one", () => {
  const target = changeOf({ inhibitedBy: [{ rule: "gateway-down", equal: ["site"] }] });
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  inhibitions.apply(loggedOf(DOWN), T0);
  inhibitions.apply(loggedOf({ ...DOWN, state: "resolved" }), T0);
  inhibitions.apply(loggedOf({ ...DOWN, round: 2 }), T0);
  const again = changeOf({ ...DOWN, round: 2 }).incident;
  inhibitions.prune(T0 + 10 * AFTER);
  expect(inhibitions.inhibiting(target, T0 + 10 * AFTER)).toEqual([again]);
});

test("a change is not evaluated before the log is read up to it, nor before its wait ends", () => {
  const entry = loggedOf({ inhibitedBy: [{ rule: "gateway-down", equal: [] }] }, 7);
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  inhibitions.seen(6);
  expect(inhibitions.evaluate(entry, T0 + WAIT)).toEqual({ kind: "wait", untilUs: T0 + WAIT });
  inhibitions.seen(7);
  expect(inhibitions.evaluate(entry, T0 + WAIT - 1)).toEqual({ kind: "wait", untilUs: T0 + WAIT });
  expect(inhibitions.evaluate(entry, T0 + WAIT)).toEqual({ kind: "none" });
  expect(inhibitions.evaluate(loggedOf({}, 99), T0)).toEqual({ kind: "none" });
  inhibitions.apply(loggedOf(DOWN), T0);
  expect(inhibitions.evaluate(entry, T0)).toEqual({ kind: "inhibited", by: [down] });
});

test("of rules that inhibit each other, the earliest incident is free, whichever is known first", () => {
  const first = { rule: "a", atUs: T0, inhibitedBy: [{ rule: "b", equal: [] }] };
  const second = { rule: "b", atUs: T0 + 1, inhibitedBy: [{ rule: "c", equal: [] }] };
  const third = { rule: "c", atUs: T0 + 2, inhibitedBy: [{ rule: "a", equal: [] }] };
  for (const order of [
    [first, second, third],
    [third, second, first],
  ]) {
    expect(inhibiting(order, first)).toEqual([]);
    expect(inhibiting(order, third)).toEqual([changeOf(first).incident]);
    // Its source began later, and the two are in a circle, so the source does not inhibit it.
    expect(inhibiting(order, second)).toEqual([]);
  }
  // Without the third, the circle disappears.
  expect(inhibiting([first, second], first)).toEqual([changeOf(second).incident]);
});

test("after an edit, older incidents still count as part of a circle", () => {
  const old = { rule: "a", device: "d1", atUs: T0 + 5, inhibitedBy: [{ rule: "b", equal: [] }] };
  const edited = { rule: "a", device: "d2", atUs: T0 + 6 };
  const other = { rule: "b", atUs: T0, inhibitedBy: [{ rule: "a", equal: [] }] };
  const all = [old, edited, other];
  expect(inhibiting(all, other)).toEqual([]);
  expect(inhibiting(all, old)).toEqual([changeOf(other).incident]);
  // A circle may form while its rules fire.
  const inhibitions = new Inhibitions({ waitUs: WAIT, afterUs: AFTER, maxAgeUs: HOUR });
  for (const each of [edited, other]) inhibitions.apply(loggedOf(each), T0);
  expect(inhibitions.inhibiting(changeOf(other), T0)).toEqual([changeOf(edited).incident]);
  inhibitions.apply(loggedOf(old), T0);
  expect(inhibitions.inhibiting(changeOf(other), T0)).toEqual([]);
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

test("property: inhibited incidents lead to a free one, and outside circles every matching source inhibits", () => {
  let inhibitedInAll = 0;
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
          return new Map(changes.map((change) => [change.incident, inhibitions.inhibiting(change, T0).sort()]));
        };
        const relation = relationOf(changes);
        expect(relationOf([...changes].reverse())).toEqual(relation);

        // The plain definition, pair by pair. A pair that only the plain definition has must be part of a circle.
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
          const inhibitors = relation.get(target.incident) ?? [];
          inhibitedInAll += inhibitors.length;
          for (const by of changes) {
            const isInhibited = inhibitors.includes(by.incident);
            if (isInhibited) expect(fits(target, by)).toBe(true);
            else if (fits(target, by) && inhibitors.length < 10) expect(ruleReaches(by.rule, target.rule)).toBe(true);
          }
          // Every path ends at a free incident.
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
  expect(inhibitedInAll).toBeGreaterThan(100);
});
