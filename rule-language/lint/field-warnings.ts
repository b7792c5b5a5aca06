import { closest } from "../../platform/files/closest.ts";
import type { RuleProblem } from "../files/problem.ts";
import { fieldsNotFor } from "../spec/defaults.ts";
import { SERIES } from "../spec/grouping.ts";
import { hasAlert } from "../spec/levels-spec.ts";
import { ALL_RULE_FIELDS } from "../spec/rule-fields.ts";
import { parseTemplate, TEMPLATE_NAMES } from "../template/template.ts";
import { type CheckedRule, usOf, warn } from "./warning.ts";

export function* longLateness(rule: CheckedRule): Iterable<RuleProblem> {
  const { tumbling, hopping, sliding, session } = rule.spec.window ?? {};
  const size = tumbling ?? hopping ?? sliding ?? session;
  const { lateness } = rule.spec;
  if (size === undefined || usOf(lateness) <= 2 * usOf(size)) return;
  const message = `each result of a ${size} window waits ${lateness}`;
  const help = "make it shorter: readings that are late by up to two window lengths still correct their window";
  yield warn("W004", rule, ["lateness"], { message, help, beside: ["window"] });
}

/** Warns about fields that have no effect in this kind of rule, or without `when`. */
export function* withoutEffect(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, placed } = rule;
  const subject = spec.absent !== undefined ? "absent" : spec.let !== undefined ? "let" : "window";
  const idle = fieldsNotFor(subject).filter((name) => placed.says(name));
  for (const field of idle) {
    const help = subject === "let" ? "set it for each name of `let`" : "remove it";
    const message = `\`${field}\` has no effect with \`${subject}\``;
    yield warn("W006", rule, [field], { message, help, beside: [subject], part: "key" });
  }
  if (spec.levels !== undefined && placed.says("severity")) {
    const said = { message: "`severity` has no effect with `levels`", help: "remove it", beside: ["levels"] } as const;
    yield warn("W006", rule, ["severity"], { ...said, part: "key" });
  }
  if (hasAlert(spec)) return;
  for (const [field, { isOfAlerts }] of Object.entries(ALL_RULE_FIELDS)) {
    if (!isOfAlerts || !placed.says(field)) continue;
    const message = `\`${field}\` has no effect without \`when\``;
    yield warn("W006", rule, [field], { message, help: "remove it, or add `when`", part: "key" });
  }
}

export function* unfilledPlaces(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  // Any name can be a tag of the series.
  if (spec.group_by === SERIES) return;
  const series = spec.let === undefined ? spec.aggregate : Object.keys(spec.let);
  const own = [...spec.group_by, ...Object.keys(spec.labels), ...(spec.absent === undefined ? series : [])];
  const known = new Set([...TEMPLATE_NAMES, ...own]);
  for (const [field, text] of Object.entries(spec.annotations)) {
    for (const part of parseTemplate(text).parts) {
      if (typeof part === "string" || part.name === undefined || known.has(part.name)) continue;
      // A `default` covers a missing name.
      if (part.steps.some(({ helper }) => helper.takes === "missing")) continue;
      const near = part.name.length < 3 ? undefined : closest(part.name, [...known]);
      const message = `nothing fills in ${part.source}`;
      const more = `for more, add ${part.name} to \`group_by\` or \`labels\``;
      const help = near === undefined ? `available are ${[...known].join(", ")}; ${more}` : `did you mean ${near}?`;
      const said = { message, help, beside: ["group_by", "labels"] };
      yield warn("W011", rule, ["annotations", field], { ...said, fragment: part.source });
    }
  }
}

export function* hiddenLabels(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  const grouped = spec.group_by === SERIES ? ["device", ...(spec.let ? [] : ["metric"])] : spec.group_by;
  for (const name of Object.keys(spec.labels).filter((label) => grouped.includes(label))) {
    const message = `the group's ${name} hides this label`;
    yield warn("W016", rule, ["labels", name], {
      message,
      help: "give it another name",
      beside: ["group_by"],
      part: "key",
    });
  }
}
