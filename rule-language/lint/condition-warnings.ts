import { definitionOf } from "../aggregates/aggregate.ts";
import type { ValueDomain } from "../conditions/value-domain.ts";
import type { RuleProblem } from "../files/problem.ts";
import { alwaysHolds, commonValue } from "./value-probes.ts";
import { type CheckedRule, usOf, warn } from "./warning.ts";

export function* whenWarnings(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, when, domain } = rule;
  if (when === undefined) return;
  const name = spec.aggregate[0] ?? "";
  const possible = commonValue([when], domain);
  const isText = when.kind === "text" && !domain.texts;
  const beside = ["aggregate", "window", "fill"];
  if (isText && when.text !== "true" && when.text !== "false") {
    const message = `${name} is a number, so it never equals the text "${when.text}"`;
    yield warn("W008", rule, ["when"], {
      message,
      help: "for sensors that send texts, write aggregate: last",
      beside: ["aggregate"],
    });
  } else if (possible === undefined) {
    const help = `${name} is ${describe(domain)}${domain.whole && when.kind === "compare" && when.operator.startsWith("<") ? "; for sensors that fall silent, use absent: 5m" : ""}`;
    yield warn("W007", rule, ["when"], { message: `"${spec.when}" can never hold for ${name}`, help, beside });
  } else if (alwaysHolds(when, domain)) {
    const help = `${name} is ${describe(domain)}; without \`when\`, a rule only computes windows`;
    yield warn("W009", rule, ["when"], { message: `"${spec.when}" always holds for ${name}`, help, beside });
  }
}

function describe({ min, max, whole, texts }: ValueDomain): string {
  if (texts) return "a number or a text";
  const kind = whole ? "a whole number" : "a number";
  if (Number.isFinite(max)) return `${kind} from ${min} to ${max}`;
  return Number.isFinite(min) ? `${kind} of at least ${min}` : kind;
}

export function* clearWarnings(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, when, clear, domain } = rule;
  if (when === undefined || clear === undefined) return;
  const beside = ["when"];
  if (commonValue([clear], domain) === undefined) {
    const message = `"${spec.clear}" can never hold for ${spec.aggregate[0]}: the alert would never end`;
    yield warn("W002", rule, ["clear"], {
      message,
      help: `it is ${describe(domain)}`,
      beside: [...beside, "aggregate"],
    });
    return;
  }
  const both = commonValue([when, clear], domain);
  if (both === undefined) return;
  const message = `at ${typeof both === "string" ? `"${both}"` : both} both \`when\` and \`clear\` hold: the alert would end and begin again`;
  yield warn("W001", rule, ["clear"], { message, help: `choose a \`clear\` that excludes "${spec.when}"`, beside });
}

export function* shortHolds(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  const step = spec.window?.tumbling ?? spec.window?.every;
  if (step === undefined || spec.when === undefined) return;
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
  for (const field of ["when", "clear"] as const) {
    const condition = rule[field];
    // A sensor at rest reads exactly zero, and an average of booleans can be 0 or 1.
    if (condition?.kind !== "compare" || condition.operator !== "==" || [0, 1].includes(condition.limit)) continue;
    const message = `${first.name} is almost never exactly ${condition.limit}`;
    yield warn("W013", rule, [field], {
      message,
      help: "use a range like between 21.4 and 21.6, or last, min or max",
      beside: ["aggregate"],
    });
  }
}
