import { globMatches } from "../../domain/glob.ts";
import type { Series } from "../../domain/reading.ts";
import { closest, nearestTo } from "../../platform/files/closest.ts";
import type { RuleProblem } from "../files/problem.ts";
import type { PlacedRule } from "../files/read-rule-file.ts";
import type { Blend } from "../spec/blend.ts";
import { canGroupBy, groupingOf, SERIES } from "../spec/grouping.ts";
import { hasAlert } from "../spec/levels-spec.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { type CheckedRule, warn } from "./warning.ts";

/** Things outside the rule files that rules refer to. */
export interface Surroundings {
  /** The receivers in weir.yaml; undefined without a weir.yaml. */
  readonly receivers?: readonly string[] | undefined;
  /** Other rules, in addition to the checked ones. */
  readonly others?: readonly PlacedRule[];
  /** By rule: series that a running gateway computes as one. */
  readonly blends?: ReadonlyMap<string, Blend>;
  /** By rule: texts and booleans that a running gateway has met. */
  readonly otherKinds?: ReadonlyMap<string, readonly Series[]>;
}

/** Labels that every alert has. `rule` and `incident` are not listed: they always differ between rules. */
const OF_EVERY_ALERT = ["severity"];
const NAMED_MAX = 8;

/** Warns about names in `notify` without a receiver. */
export function* receiverWarnings(rule: CheckedRule, receivers: readonly string[]): Iterable<RuleProblem> {
  for (const [i, name] of rule.spec.notify.entries()) {
    if (receivers.includes(name)) continue;
    const near = closest(name, receivers);
    const there = receivers.length === 0 ? "it has no receivers" : `it has ${listed(receivers)}`;
    const help = near === undefined ? `${there}; add it to notifier.receivers` : `did you mean ${near}?`;
    yield warn("W020", rule, ["notify", i], {
      message: `weir.yaml has no receiver "${name}", so it notifies nobody`,
      help,
    });
  }
}

/** Warns about parts of `inhibited_by` that can never inhibit. */
export function* inhibitorWarnings(rule: CheckedRule, all: readonly PlacedRule[]): Iterable<RuleProblem> {
  const { spec, placed } = rule;
  for (const [i, { rule: pattern, equal }] of spec.inhibited_by.entries()) {
    const path = ["inhibited_by", i, "rule"];
    const fitting = all.filter(({ id }) => id !== undefined && globMatches(pattern, id));
    const inhibitors = fitting.filter(({ id }) => id !== spec.id);
    if (fitting.length === 0) {
      const ids = all.flatMap(({ id }) => (id === undefined || id === spec.id ? [] : id));
      const near = nearestTo(pattern, ids);
      const others = ids.length === 0 ? "there is no other rule" : `the other rules are ${listed(ids)}`;
      const help = near === undefined ? others : `did you mean ${near}?`;
      yield warn("W021", rule, path, { message: `no rule matches "${pattern}"`, help });
    } else if (inhibitors.length === 0) {
      // The defaults of a file may name one of its rules.
      if (!placed.says("inhibited_by")) continue;
      const message = `only this rule matches "${pattern}", and a rule does not inhibit itself`;
      yield warn("W021", rule, path, { message, help: "name the rule that alerts about the cause, or remove it" });
    } else {
      const specs = inhibitors.flatMap((other) => other.spec ?? []);
      if (specs.length === inhibitors.length) yield* agreementWarnings(rule, { i, pattern, equal, specs });
    }
  }
}

function* agreementWarnings(
  rule: CheckedRule,
  about: {
    readonly i: number;
    readonly pattern: string;
    readonly equal: readonly string[];
    readonly specs: readonly RuleSpec[];
  },
): Iterable<RuleProblem> {
  const { i, pattern, equal, specs } = about;
  const alerting = specs.filter(hasAlert);
  if (alerting.length === 0) {
    const message = `rules that match "${pattern}" have no \`when\`, so they never fire`;
    yield warn("W021", rule, ["inhibited_by", i, "rule"], { message, help: "name a rule that alerts" });
    return;
  }
  const own = labelsOf(rule.spec);
  for (const [k, label] of equal.entries()) {
    const path = ["inhibited_by", i, "equal", k];
    if (!canHave(rule.spec, label)) {
      const message = `this rule's alerts have no label "${label}", so none can agree`;
      const help = `they have ${listed(own)}; add it to \`group_by\`, or remove it here`;
      yield warn("W021", rule, path, { message, help });
    } else if (!alerting.some((spec) => canHave(spec, label))) {
      const theirs = [...new Set(alerting.flatMap(labelsOf))];
      const message = `the alerts of "${pattern}" have no label "${label}", so none can agree`;
      yield warn("W021", rule, path, { message, help: `they have ${listed(theirs)}` });
    }
  }
}

function canHave(spec: RuleSpec, label: string): boolean {
  return canGroupBy(groupingOf(spec), label) || labelsOf(spec).includes(label);
}

/** The labels known without the series. */
function labelsOf({ group_by, labels }: RuleSpec): string[] {
  return [...new Set([...(group_by === SERIES ? ["device"] : group_by), ...Object.keys(labels), ...OF_EVERY_ALERT])];
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return `${names.slice(0, NAMED_MAX).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}
