import { parseDurationUs } from "../../domain/time.ts";
import { type Aggregate, parseAggregate, takesTexts } from "../step/aggregates/aggregate.ts";
import { type Condition, parseCondition } from "./condition.ts";
import type { RelatedPlace, RuleProblem } from "./problem.ts";
import type { PlacedRule } from "./read-rule-file.ts";
import type { RuleSpec } from "./rule-spec.ts";
import { alwaysHolds, commonValue, domainOf, type ValueDomain } from "./value-probes.ts";
import type { WarningCode } from "./warning-kinds.ts";

/** A rule without errors, taken apart. */
export interface CheckedRule {
  readonly placed: PlacedRule;
  readonly spec: RuleSpec;
  readonly aggregates: readonly Aggregate[];
  readonly domain: ValueDomain;
  readonly when: Condition | undefined;
  readonly clear: Condition | undefined;
}

export function takeApart(placed: PlacedRule): CheckedRule | undefined {
  const { spec } = placed;
  if (spec === undefined) return undefined;
  const aggregates = spec.aggregate.map(parseAggregate).filter((aggregate) => typeof aggregate !== "string");
  const [first] = aggregates;
  if (first === undefined) return undefined;
  const domain = domainOf(first, spec, aggregates.every(takesTexts));
  return { placed, spec, aggregates, domain, when: conditionOf(spec.when), clear: conditionOf(spec.clear) };
}

function conditionOf(text: string | undefined): Condition | undefined {
  const parsed = text === undefined ? undefined : parseCondition(text);
  return typeof parsed === "string" ? undefined : parsed;
}

/** What can be said of a rule by itself. */
export function warningsOf(rule: CheckedRule): RuleProblem[] {
  return CHECKS.flatMap((check) => [...check(rule)]);
}

const CHECKS: readonly ((rule: CheckedRule) => Iterable<RuleProblem>)[] = [
  whenWarnings,
  clearWarnings,
  shortHolds,
  longLateness,
  withoutEffect,
  equalityOfComputed,
  unfilledPlaces,
  foreignPatterns,
  mixedSeries,
  hiddenLabels,
];

interface Said {
  readonly message: string;
  readonly help: string;
  /** Other fields of the rule that it has to do with. */
  readonly beside?: readonly string[];
  readonly part?: "key" | "value";
}

/** A warning about a part of a rule. */
export function warn(code: WarningCode, rule: CheckedRule, path: readonly PropertyKey[], said: Said): RuleProblem {
  const { placed } = rule;
  const { message, help, beside = [], part } = said;
  const related: RelatedPlace[] = beside
    .filter((field) => placed.says(field))
    .map((field) => ({ file: placed.file, place: placed.placeOf([field]), message: `\`${field}\` stands here` }));
  return { code, severity: "warning", file: placed.file, place: placed.placeOf(path, part), message, help, related };
}

function* whenWarnings(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, when, domain } = rule;
  if (when === undefined) return;
  const name = spec.aggregate[0] ?? "";
  const possible = commonValue([when], domain);
  const isText = when.kind === "text" && !domain.texts;
  const beside = ["aggregate", "window", "fill"];
  if (isText && when.text !== "true" && when.text !== "false") {
    const message = `${name} is a number, so it is never the text "${when.text}"`;
    yield warn("W008", rule, ["when"], {
      message,
      help: "for sensors that send texts write aggregate: last",
      beside: ["aggregate"],
    });
  } else if (possible === undefined) {
    const help = `${name} is ${describe(domain)}${domain.whole && when.kind === "compare" && when.operator.startsWith("<") ? "; for sensors that fall silent use absent: 5m" : ""}`;
    yield warn("W007", rule, ["when"], { message: `"${spec.when}" can never hold for ${name}`, help, beside });
  } else if (alwaysHolds(when, domain)) {
    const help = `${name} is ${describe(domain)}; without \`when\` a rule only computes windows`;
    yield warn("W009", rule, ["when"], { message: `"${spec.when}" always holds for ${name}`, help, beside });
  }
}

function describe({ min, max, whole, texts }: ValueDomain): string {
  if (texts) return "a number or a text";
  const kind = whole ? "a whole number" : "a number";
  if (Number.isFinite(max)) return `${kind} from ${min} to ${max}`;
  return Number.isFinite(min) ? `${kind} of at least ${min}` : kind;
}

function* clearWarnings(rule: CheckedRule): Iterable<RuleProblem> {
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

function* shortHolds(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  const step = spec.window?.tumbling ?? spec.window?.every;
  if (step === undefined || spec.when === undefined) return;
  for (const field of ["for", "keep_firing_for"] as const) {
    const holdUs = us(spec[field]);
    if (holdUs === 0 || holdUs >= us(step)) continue;
    const message = `a window ends each ${step}, so \`${field}: ${spec[field]}\` acts like ${step}`;
    yield warn("W003", rule, [field], {
      message,
      help: `write ${field}: ${step}, or remove it, or make the window shorter`,
      beside: ["window"],
    });
  }
}

function* longLateness(rule: CheckedRule): Iterable<RuleProblem> {
  const { tumbling, hopping, sliding, session } = rule.spec.window ?? {};
  const size = tumbling ?? hopping ?? sliding ?? session;
  const { lateness } = rule.spec;
  if (size === undefined || us(lateness) <= 2 * us(size)) return;
  const message = `every result waits ${lateness} for windows of ${size}`;
  const help = "make it shorter: later readings still correct their window, as long as they come within two lengths";
  yield warn("W004", rule, ["lateness"], { message, help, beside: ["window"] });
}

const OF_WINDOWS = ["aggregate", "lateness", "late", "fill"];
const OF_ALERTS = ["for", "keep_firing_for", "severity", "labels", "annotations", "notify"];

function* withoutEffect(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, placed } = rule;
  const isAbsent = spec.absent !== undefined;
  const idle = isAbsent ? OF_WINDOWS : spec.when === undefined ? OF_ALERTS : [];
  for (const field of idle.filter((name) => placed.says(name))) {
    const message = isAbsent
      ? `\`${field}\` does nothing with \`absent\``
      : `\`${field}\` does nothing without \`when\``;
    const help = isAbsent ? "remove it" : "remove it, or add a `when`";
    yield warn("W006", rule, [field], { message, help, beside: ["absent"], part: "key" });
  }
}

const COMPUTED = new Set<Aggregate["kind"]>(["avg", "quantile", "rate", "stddev", "variance"]);

function* equalityOfComputed(rule: CheckedRule): Iterable<RuleProblem> {
  const [first] = rule.aggregates;
  if (first === undefined || !COMPUTED.has(first.kind)) return;
  for (const field of ["when", "clear"] as const) {
    const condition = rule[field];
    // Zero is what a sensor that stands still gives; averages of booleans are 0 or 1.
    if (condition?.kind !== "compare" || condition.operator !== "==" || [0, 1].includes(condition.limit)) continue;
    const message = `${first.name} is hardly ever exactly ${condition.limit}`;
    yield warn("W013", rule, [field], {
      message,
      help: "use a range like between 21.4 and 21.6, or last, min or max",
      beside: ["aggregate"],
    });
  }
}

function* unfilledPlaces(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  const known = ["value", ...spec.group_by, ...Object.keys(spec.labels)];
  for (const [name, text] of Object.entries(spec.annotations)) {
    for (const [place, word = ""] of text.matchAll(/\{\{\s*(.*?)\s*\}\}/g)) {
      if (known.includes(word)) continue;
      const message = `nothing fills ${place} in`;
      const help = `there are ${known.join(", ")}; add ${/^[\w.-]+$/.test(word) ? word : "the label"} to \`group_by\` or \`labels\` for more`;
      yield warn("W011", rule, ["annotations", name], { message, help, beside: ["group_by", "labels"] });
    }
  }
}

function* foreignPatterns(rule: CheckedRule): Iterable<RuleProblem> {
  for (const [label, patterns] of Object.entries(rule.spec.where)) {
    for (const [i, pattern] of [patterns].flat().entries()) {
      const path = typeof patterns === "string" ? ["where", label] : ["where", label, i];
      if (!/\.\*|\.\+|\\[dws.]|^\^|\$$|\||\{.*\}|^!|^\/.*\/$|^~|\[.*\]/.test(pattern)) continue;
      const message = `"${pattern}" looks like a pattern of another language`;
      const glob = pattern.replace(/^[/^]+|[/$]+$/g, "").replace(/\.[*+]/g, "*");
      const isGlob = /^[\w.*? -]+$/.test(glob) && glob !== pattern;
      const help = isGlob ? `write "${glob}"` : "only * and ? are special; alternatives are a list: [a, b]";
      yield warn("W012", rule, path, { message, help });
    }
  }
}

const NOT_OF_ONE_QUANTITY = new Set<Aggregate["kind"]>(["count", "distinct"]);

function* mixedSeries(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, aggregates } = rule;
  if (spec.absent !== undefined) return;
  const values = aggregates.filter(({ kind }) => !NOT_OF_ONE_QUANTITY.has(kind));
  if (values.length > 0 && spec.where.metric === undefined && !spec.group_by.includes("metric")) {
    const message = `${values[0]?.name} of all metrics together, whatever they measure`;
    yield warn("W014", rule, ["group_by"], {
      message,
      help: "name the metric in `where`, or add metric to `group_by`",
      beside: ["where"],
    });
  }
  const difference = aggregates.find(({ kind }) => kind === "rate" || kind === "delta");
  const device = spec.where.device;
  const isOneDevice = typeof device === "string" && !/[*?]/.test(device);
  if (difference !== undefined && !spec.group_by.includes("device") && !isOneDevice) {
    const message = `${difference.name} between readings of different devices`;
    yield warn("W015", rule, ["aggregate"], { message, help: "add device to `group_by`", beside: ["group_by"] });
  }
}

function* hiddenLabels(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec } = rule;
  for (const name of Object.keys(spec.labels).filter((label) => spec.group_by.includes(label))) {
    const message = `the group's own ${name} hides this label`;
    yield warn("W016", rule, ["labels", name], {
      message,
      help: "give it another name",
      beside: ["group_by"],
      part: "key",
    });
  }
}

function us(text: string): number {
  return parseDurationUs(text) ?? 0;
}
