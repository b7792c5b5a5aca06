import { expect, test } from "vitest";
import { readRuleFile } from "../files/read-rule-file.ts";
import { checkRules } from "./check-rules.ts";
import type { Surroundings } from "./warnings-between.ts";

const GATEWAY = '  - { id: gateway-silent, where: { device: "gw-*" }, absent: 2m, group_by: [site] }\n';
const FIGURES = "  - { id: figures, where: { metric: power }, window: { tumbling: 1h } }\n";
const BROKEN = "  - { id: pump-blocked, absent: 2m, wehn: 1 }\n";

/** The warnings about `inhibited_by` in a rule with these labels, next to two others. */
function saidOf(inhibitedBy: string, labels = "group_by: [device]", around: Surroundings = {}) {
  const source = `rules:\n${GATEWAY}${FIGURES}${BROKEN}  - { id: sensor-silent, absent: 5m, ${labels}, inhibited_by: ${inhibitedBy} }\n`;
  const files = [{ ...readRuleFile(source, "a.yaml"), file: "a.yaml" }];
  const warnings = checkRules({ files, problems: [] }, undefined, around);
  return warnings.map(({ code, place, message, help }) => [
    code,
    place.text.slice(place.column - 1, place.column - 1 + place.length),
    `${message}; ${help}`,
  ]);
}

test.each<[string, string, RegExp]>([
  ["[{ rule: gatway-silent }]", "gatway-silent", /no rule matches "gatway-silent"; did you mean gateway-silent\?/],
  ['[{ rule: "gatwey*" }]', '"gatwey*"', /did you mean "gatewa\*"\?/],
  ["[{ rule: motor }]", "motor", /the other rules are gateway-silent, figures, pump-blocked$/],
  ["[{ rule: sensor-silent }]", "sensor-silent", /a rule does not inhibit itself/],
  ["[{ rule: figures }]", "figures", /have no `when`, so they never fire/],
  ["[{ rule: gateway-silent, equal: [site] }]", "site", /they have device, severity; add it to `group_by`/],
  ["[{ rule: gateway-silent, equal: [device] }]", "device", /"gateway-silent" have no label "device".*they have site/],
  ["[{ rule: gateway-silent }, { rule: x }]", "x", /no rule matches "x"/],
])("inhibited_by: %s", (inhibitedBy, text, said) => {
  expect(saidOf(inhibitedBy)).toEqual([["W021", text, expect.stringMatching(said)]]);
});

test.each([
  ["[{ rule: gateway-silent }]", "group_by: [device]"],
  ["[{ rule: gateway-silent, equal: [site] }]", "group_by: [device, site]"],
  ["[{ rule: gateway-silent, equal: [site] }]", "group_by: [device], labels: { site: north }"],
  ["[{ rule: gateway-silent, equal: [severity] }]", "group_by: [device]"],
  ['[{ rule: "*" }]', "group_by: [device]"],
  // A rule with an error also counts.
  ["[{ rule: pump-blocked, equal: [device] }]", "group_by: [device]"],
])("no warning about inhibited_by: %s with %s", (inhibitedBy, labels) => {
  expect(saidOf(inhibitedBy, labels)).toEqual([]);
});

test("a rule of another file in the folder counts", () => {
  const { rules: others } = readRuleFile("rules:\n  - { id: motor, absent: 5m }\n", "b.yaml");
  expect(saidOf("[{ rule: motor }]", "group_by: [device]", { others })).toEqual([]);
});

test("receivers: misspelt, unknown, none, and no weir.yaml", () => {
  const said = (notify: string, receivers?: readonly string[]) => {
    const source = `rules:\n  - { id: a, absent: 5m, notify: ${notify} }\n`;
    const files = [{ ...readRuleFile(source, "a.yaml"), file: "a.yaml" }];
    const warnings = checkRules({ files, problems: [] }, undefined, receivers === undefined ? {} : { receivers });
    return warnings.map(({ code, message, help, place }) => `${code} ${place.column} ${message}: ${help}`);
  };
  expect(said("[opps, night]", ["ops", "oncall"])).toEqual([
    'W020 35 weir.yaml has no receiver "opps", so it notifies nobody: did you mean ops?',
    'W020 41 weir.yaml has no receiver "night", so it notifies nobody: it has ops, oncall; add it to notifier.receivers',
  ]);
  expect(said("[ops]", [])).toEqual([
    'W020 35 weir.yaml has no receiver "ops", so it notifies nobody: it has no receivers; add it to notifier.receivers',
  ]);
  expect(said("[ops]", ["ops"])).toEqual([]);
  expect(said("[ops]")).toEqual([]);
});

test("an ignored receiver does not count as unused without a weir.yaml", () => {
  const source = "rules:\n  # weir-ignore: W020\n  - { id: a, absent: 5m, notify: [elsewhere] }\n";
  const files = [{ ...readRuleFile(source, "a.yaml"), file: "a.yaml" }];
  const known = { series: [{ device: "d", metric: "m", tags: {}, kind: "number" as const }], mayGrow: false };
  const codes = (around: Surroundings) => checkRules({ files, problems: [] }, known, around).map(({ code }) => code);
  expect(codes({})).toEqual([]);
  expect(codes({ receivers: ["ops"] })).toEqual([]);
  expect(codes({ receivers: ["elsewhere"] })).toEqual(["W017"]);
});
