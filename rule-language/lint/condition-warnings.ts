import { definitionOf } from "../aggregates/aggregate.ts";
import { holds } from "../conditions/condition.ts";
import type { ValueDomain } from "../conditions/value-domain.ts";
import type { RuleProblem } from "../files/problem.ts";
import { hasAlert } from "../spec/levels-spec.ts";
import { alwaysHolds, commonValue, probesOf } from "./value-probes.ts";
import { type CheckedRule, usOf, warn } from "./warning.ts";

export function* whenWarnings(rule: CheckedRule): Iterable<RuleProblem> {
  for (const level of rule.levels) yield* ofWhen(rule, level);
}

function* ofWhen(rule: CheckedRule, level: CheckedRule["levels"][number]): Iterable<RuleProblem> {
  const { spec, domain } = rule;
  const { text, condition: when, path } = level.when;
  const name = spec.aggregate[0] ?? "";
  const possible = commonValue([when], domain);
  const isText = when.kind === "text" && !domain.texts;
  const beside = ["aggregate", "window", "fill"];
  if (isText && when.text !== "true" && when.text !== "false") {
    const message = `${name} is a number, so it never equals the text "${when.text}"`;
    yield warn("W008", rule, path, {
      message,
      help: "for sensors that send texts, write aggregate: last",
      beside: ["aggregate"],
    });
  } else if (possible === undefined) {
    const help = `${name} is ${describe(domain)}${domain.whole && when.kind === "compare" && when.operator.startsWith("<") ? "; for sensors that fall silent, use absent: 5m" : ""}`;
    yield warn("W007", rule, path, { message: `"${text}" can never hold for ${name}`, help, beside });
  } else if (alwaysHolds(when, domain)) {
    const help = `${name} is ${describe(domain)}; without \`when\`, a rule only computes windows`;
    yield warn("W009", rule, path, { message: `"${text}" always holds for ${name}`, help, beside });
  }
}

function describe({ min, max, whole, texts }: ValueDomain): string {
  if (texts) return "a number or a text";
  const kind = whole ? "a whole number" : "a number";
  if (Number.isFinite(max)) return `${kind} from ${min} to ${max}`;
  return Number.isFinite(min) ? `${kind} of at least ${min}` : kind;
}

export function* clearWarnings(rule: CheckedRule): Iterable<RuleProblem> {
  for (const level of rule.levels) yield* ofClear(rule, level);
}

function* ofClear(rule: CheckedRule, { when, clear }: CheckedRule["levels"][number]): Iterable<RuleProblem> {
  const { spec, domain } = rule;
  if (clear === undefined) return;
  const beside = when.path.slice(0, 1);
  if (commonValue([clear.condition], domain) === undefined) {
    const message = `"${clear.text}" can never hold for ${spec.aggregate[0]}: the alert would never end`;
    yield warn("W002", rule, clear.path, {
      message,
      help: `it is ${describe(domain)}`,
      beside: [...beside, "aggregate"],
    });
    return;
  }
  const both = commonValue([when.condition, clear.condition], domain);
  if (both === undefined) return;
  const message = `at ${typeof both === "string" ? `"${both}"` : both} both \`when\` and \`clear\` hold: the alert would end and begin again`;
  yield warn("W001", rule, clear.path, { message, help: `choose a \`clear\` that excludes "${when.text}"`, beside });
}

/** A level whose values are all those of a more severe level is never the severity of an alert. */
export function* hiddenLevels({ levels, ...rule }: CheckedRule): Iterable<RuleProblem> {
  for (const [i, { severity, when }] of levels.entries()) {
    const above = levels.slice(i + 1).map((level) => level.when);
    if (above.length === 0) continue;
    const values = probesOf([when.condition, ...above.map(({ condition }) => condition)], rule.domain);
    const own = values.filter((value) => holds(when.condition, value));
    if (!own.every((value) => above.some(({ condition }) => holds(condition, value)))) continue;
    const message = `where "${when.text}" holds, a more severe level holds, too: no alert begins as ${severity}`;
    const help = 'a level is for less than the next one: { warning: "> 6", critical: "> 8" }';
    yield warn("W024", { ...rule, levels }, when.path, { message, help });
  }
}

export function* shortHolds(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  const step = spec.window?.tumbling ?? spec.window?.every;
  if (step === undefined || !hasAlert(spec)) return;
  for (const field of ["for", "keep_firing_for"] as const) {
    const holdUs = usOf(spec[field]);
    if (holdUs === 0 || holdUs >= usOf(step)) continue;
    const message = `a window ends every ${step}, so \`${field}: ${spec[field]}\` acts like ${step}`;
    yield warn("W003", rule, [field], {
      message,
      help: `write ${field}: ${step}, or remove it, or make the window shorter`,
      beside: ["window"],
    });
  }
}

export function* equalityOfComputed(rule: CheckedRule): Iterable<RuleProblem> {
  const [first] = rule.aggregates;
  if (first === undefined || definitionOf(first).isComputed !== true) return;
  for (const { condition, path } of rule.levels.flatMap(({ when, clear }) => [when, ...(clear ? [clear] : [])])) {
    // A sensor at rest reads exactly zero, and an average of booleans can be 0 or 1.
    if (condition.kind !== "compare" || condition.operator !== "==" || [0, 1].includes(condition.limit)) continue;
    const message = `${first.name} is almost never exactly ${condition.limit}`;
    yield warn("W013", rule, path, {
      message,
      help: "use a range like between 21.4 and 21.6, or last, min or max",
      beside: ["aggregate"],
    });
  }
}
