import { expect, test } from "vitest";
import { EXPLAIN_RULES } from "../../contracts/explanations.ts";
import { encodeEntry, reading, rule } from "../../engine/testing/step-kit.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { rulesForwarded } from "./forwarded-rules.ts";

const SECOND_US = 1e6;

function site(fields: object = {}): RuleSpec {
  return rule({ id: "site", where: { metric: "m" }, group_by: ["site"], window: { tumbling: "1m" }, ...fields });
}

/** A log of two partitions: rule sets by second, and one reading per second. `keep`: how many messages it keeps. */
async function logOf(
  ruleSets: Readonly<Record<number, readonly RuleSpec[]>>,
  { seconds = 10, keep = Number.POSITIVE_INFINITY, forwards = true } = {},
) {
  let nowUs = 0;
  const log = createMemoryLog({ nowUs: () => nowUs, messagesMax: keep });
  for (let second = 0; second < seconds; second++) {
    nowUs = second * SECOND_US;
    for (const subject of ["readings.0", "readings.1"]) {
      const specs = ruleSets[second];
      if (specs) await log.append({ subject, payload: encodeEntry({ kind: "rules", storedAtUs: nowUs, specs }) });
      const readings = [reading("d", nowUs, 1)];
      await log.append({ subject, payload: encodeEntry({ kind: "readings", storedAtUs: nowUs, readings }) });
    }
    if (!forwards) continue;
    const readings = [reading("d", nowUs, 1)];
    await log.append({
      subject: "groups.0.0",
      payload: encodeEntry({ kind: "readings", storedAtUs: nowUs, readings }),
    });
  }
  return log;
}

const all = { fromUs: undefined, toUs: undefined };

test.each([
  ["the same", site(), true],
  [
    "a different limit, window, lateness and name",
    site({ id: "other", window: { sliding: "5m" }, lateness: "1m", when: "> 8" }),
    true,
  ],
  ["other readings", site({ where: { metric: "n" } }), false],
  ["fewer readings, which the check cannot detect", site({ where: { metric: "m", site: "north" } }), false],
  ["other groups", site({ group_by: ["metric"] }), false],
  ["texts, if only numbers were forwarded", site({ aggregate: "distinct" }), false],
  [
    "absence, for which texts also count",
    rule({ id: "a", where: { metric: "m" }, group_by: ["site"], absent: "5m" }),
    false,
  ],
])("a candidate with %s", async (_what, candidate, expected) => {
  const isForwarded = await rulesForwarded(await logOf({ 0: [site({ when: "> 5" })] }), all);
  expect(isForwarded(candidate)).toBe(expected);
});

test("numbers are also forwarded for a rule over texts", async () => {
  const isForwarded = await rulesForwarded(await logOf({ 0: [site({ aggregate: "last" })] }), all);
  expect([isForwarded(site()), isForwarded(site({ aggregate: "count" }))]).toEqual([true, true]);
});

test("the gateway must have had such a rule throughout the stretch", async () => {
  const log = await logOf({ 0: [site()], 4: [], 7: [site({ when: "> 9" })] });
  const within = async (from: number | undefined, to: number | undefined) => {
    const us = (second: number | undefined) => (second === undefined ? undefined : second * SECOND_US);
    return (await rulesForwarded(log, { fromUs: us(from), toUs: us(to) }))(site());
  };
  expect(await within(undefined, undefined)).toBe(false);
  expect(await within(undefined, 4)).toBe(true);
  expect(await within(1, 3)).toBe(true);
  expect(await within(3, 5)).toBe(false);
  expect(await within(5, 6)).toBe(false);
  expect(await within(8, undefined)).toBe(true);
});

test("an empty groups log has no forwarded rules", async () => {
  const isForwarded = await rulesForwarded(await logOf({ 0: [site()] }, { forwards: false }), all);
  expect(isForwarded(site())).toBe(false);
});

test("a log that starts after its rules: the processors know the rules, unless they have changed since", async () => {
  const trimmed = await logOf({ 0: [site()] }, { keep: 12 });
  expect((await rulesForwarded(trimmed, all))(site())).toBe(false);
  const stop = trimmed.bus.respond(EXPLAIN_RULES, async () => ({ specs: [site({ when: "> 7" })], partitions: 2 }));
  expect((await rulesForwarded(trimmed, all))(site())).toBe(true);
  expect((await rulesForwarded(trimmed, all))(site({ where: {} }))).toBe(false);
  stop();
  const edited = await logOf({ 0: [site()], 8: [site({ when: "> 3" })] }, { keep: 12 });
  edited.bus.respond(EXPLAIN_RULES, async () => ({ specs: [site()], partitions: 2 }));
  expect((await rulesForwarded(edited, all))(site())).toBe(false);
  expect((await rulesForwarded(edited, { fromUs: 8.5 * SECOND_US, toUs: undefined }))(site())).toBe(true);
});

test("readings for conditions over several series are forwarded", async () => {
  const pump = (metric: string, when: string) => {
    const window = { tumbling: "30s" };
    const named = { flow: { metric, window }, current: { metric: "current", window } };
    return rule({ id: "pump", group_by: ["site"], let: named, when });
  };
  const isForwarded = await rulesForwarded(await logOf({ 0: [pump("flow", "flow < 1.0 && current > 2.0")] }), all);
  expect(isForwarded(pump("flow", "flow < 0.5 && current > 2.0"))).toBe(true);
  expect(isForwarded(pump("inflow", "flow < 0.5 && current > 2.0"))).toBe(false);
  expect(isForwarded(site({ where: {} }))).toBe(false);
});
