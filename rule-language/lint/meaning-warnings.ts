import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { holds } from "../conditions/condition.ts";
import type { RuleProblem } from "../files/problem.ts";
import { splitPatterns } from "../spec/selector.ts";
import { partsOf } from "./known-series.ts";
import { alwaysHolds } from "./value-probes.ts";
import { type CheckedRule, warn } from "./warning.ts";

/** Names of labels that mean something else in a rule, and what to write for them. */
const NOT_LABELS: Readonly<Record<string, string>> = {
  value: 'to leave out values, write valid: "between -40 and 85" or except: [85]',
  values: 'to leave out values, write valid: "between -40 and 85" or except: [85]',
  valid: "`valid` belongs to the rule: indent it less",
  except: "`except` belongs to the rule: indent it less",
  group_by: "`group_by` belongs to the rule: indent it less",
  aggregate: "`aggregate` belongs to the rule: indent it less",
  window: "`window` belongs to the rule: indent it less",
  when: "`when` belongs to the rule: indent it less",
  severity: "`severity` belongs to the rule: indent it less",
};

/** Labels that are surely meant as something else: no source gives a series such a tag. */
export function* fieldsAsLabels(rule: CheckedRule): Iterable<RuleProblem> {
  const seen = new Set<string>();
  for (const part of partsOf(rule.spec)) {
    for (const label of Object.keys(part.where)) {
      const help = NOT_LABELS[label];
      const path = part.pathOf(label);
      if (help === undefined || !Object.hasOwn(NOT_LABELS, label) || seen.has(path.join())) continue;
      seen.add(path.join());
      const message = `\`where\` selects by a tag "${label}", not by ${label.startsWith("value") ? "the value of a reading" : `a field of the rule`}`;
      yield warn("W026", rule, path, { message, help, part: "key" });
    }
  }
}

/** Weeks of fixed length begin on Thursday, because 1970-01-01 was one. */
export function* thursdayWeeks(rule: CheckedRule): Iterable<RuleProblem> {
  const ofNames = Object.entries(rule.spec.let ?? {});
  const windows = [
    { window: rule.spec.window, path: ["window", "tumbling"] },
    ...ofNames.map(([name, { window }]) => ({ window, path: ["let", name, "window", "tumbling"] })),
  ];
  for (const { window, path } of windows) {
    const text = window?.tumbling;
    const weeks = (parseDurationUs(text ?? "") ?? 0) / (7 * US_PER_DAY);
    if (text === undefined || weeks < 1 || !Number.isInteger(weeks)) continue;
    const message = `windows of ${text} begin on Thursday, at 00:00 UTC`;
    const help =
      rule.spec.let === undefined
        ? "for weeks from Monday in local time, write window: { calendar: week, zone: Europe/Berlin }"
        : "that is right only if it does not matter when a week begins";
    yield warn("W027", rule, path, { message, help });
  }
}

/** Metrics that count up: energy, totals, pulses. */
const COUNTER =
  /(?:^|[._-])(?:counter|odometer|pulses|pulse_count|kwh|total_energy|energy_total)$|_total$|(?:^|[._-])(?:rx|tx)_bytes$/i;
const FOR_COUNTERS: Readonly<Record<string, string>> = { delta: "increase", rate: "counter_rate" };

export function* counterDifferences(rule: CheckedRule): Iterable<RuleProblem> {
  const isLet = rule.spec.let !== undefined;
  for (const part of partsOf(rule.spec)) {
    const { taken } = splitPatterns(part.where.metric ?? []);
    if (taken.length === 0 || !taken.every((metric) => COUNTER.test(metric))) continue;
    for (const text of part.aggregates) {
      const [name = "", argument = ""] = text.split("(");
      const better = Object.hasOwn(FOR_COUNTERS, name) ? FOR_COUNTERS[name] : undefined;
      if (better === undefined) continue;
      const message = `${name} of a counter is wrong where it begins at 0 again, and leaves out the step into the window`;
      const help = `${taken.join(", ")} looks like a counter: write aggregate: ${better}${argument === "" ? "" : `(${argument}`}`;
      const path = isLet ? part.pathOf("metric").slice(0, 2) : ["aggregate"];
      yield warn("W028", rule, path, { message, help });
    }
  }
}

const SPREADS = new Set(["range", "variance", "stddev"]);

/** A spread of one reading is 0: a sensor that sends once in a window seems to stand still. */
export function* spreadsOfOne(rule: CheckedRule): Iterable<RuleProblem> {
  const [first] = rule.aggregates;
  const { spec } = rule;
  if (first === undefined || spec.let !== undefined || spec.window?.count !== undefined) return;
  if (!SPREADS.has(first.name) || spec.fill === "last") return;
  for (const { when } of rule.levels) {
    if (!holds(when.condition, 0) || alwaysHolds(when.condition, rule.domain)) continue;
    const metric = [spec.where.metric ?? "temperature"].flat()[0];
    const message = `${first.name} is 0 in a window with a single reading, so "${when.text}" holds for each sensor that sends seldom`;
    const help = `count the readings, too: let: { spread: { metric: ${metric}, aggregate: ${first.name} }, readings: { metric: ${metric}, aggregate: count } }, when: "spread ${when.text} && readings >= 3"`;
    yield warn("W029", rule, when.path, { message, help, beside: ["aggregate"] });
  }
}
