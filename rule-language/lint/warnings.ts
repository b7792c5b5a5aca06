import { globMatches } from "../../domain/glob.ts";
import { formatDurationUs, parseDurationUs } from "../../domain/time.ts";
import { closest } from "../../platform/files/closest.ts";
import { type Aggregate, parseAggregate, takesTexts } from "../aggregates/aggregate.ts";
import { Calendar } from "../calendar/calendar.ts";
import { type Condition, parseCondition } from "../conditions/condition.ts";
import { type PlacedRule, tellAt, within } from "../files/placed-rule.ts";
import type { RuleProblem } from "../files/problem.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { splitPatterns } from "../spec/selector.ts";
import { parseTemplate, TEMPLATE_NAMES } from "../template/template.ts";
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
  deadCalendars,
  deadFlapping,
  foreignPatterns,
  excludedPatterns,
  mixedSeries,
  hiddenLabels,
];

interface Said {
  readonly message: string;
  readonly help: string;
  /** Other fields of the rule that it has to do with. */
  readonly beside?: readonly string[];
  readonly part?: "key" | "value";
  /** The piece of the value in question. */
  readonly fragment?: string;
}

/** A warning about a part of a rule. */
export function warn(code: WarningCode, rule: CheckedRule, path: readonly PropertyKey[], said: Said): RuleProblem {
  const { placed } = rule;
  const { message, help, beside = [], part, fragment } = said;
  const { place, related } = tellAt(placed, path, { beside: beside.map((field) => [field]), part });
  const exact = fragment === undefined ? place : within(place, fragment);
  return { code, severity: "warning", file: placed.file, place: exact, message, help, related };
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
const OF_ONE_SERIES = ["aggregate", "fill"];
const OF_ALERTS = [
  "for",
  "keep_firing_for",
  "flapping",
  "active",
  "severity",
  "labels",
  "annotations",
  "notify",
  "inhibited_by",
];

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
  for (const field of spec.let === undefined ? [] : OF_ONE_SERIES.filter((name) => placed.says(name))) {
    const message = `\`${field}\` does nothing beside \`let\``;
    yield warn("W006", rule, [field], { message, help: "say it of each name", beside: ["let"], part: "key" });
  }
}

const COMPUTED = new Set<Aggregate["kind"]>(["avg", "quantile", "rate", "delta_percent", "stddev", "variance"]);

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
  const series = spec.let === undefined ? spec.aggregate : Object.keys(spec.let);
  const own = [...spec.group_by, ...Object.keys(spec.labels), ...(spec.absent === undefined ? series : [])];
  const known = new Set([...TEMPLATE_NAMES, ...own]);
  for (const [field, text] of Object.entries(spec.annotations)) {
    for (const part of parseTemplate(text).parts) {
      if (typeof part === "string" || part.name === undefined || known.has(part.name)) continue;
      // Somebody thought of its not being there.
      if (part.steps.some(({ helper }) => helper.takes === "missing")) continue;
      const near = part.name.length < 3 ? undefined : closest(part.name, [...known]);
      const message = `nothing fills ${part.source} in`;
      const more = `add ${part.name} to \`group_by\` or \`labels\` for more`;
      const help = near === undefined ? `there are ${[...known].join(", ")}; ${more}` : `did you mean ${near}?`;
      const said = { message, help, beside: ["group_by", "labels"] };
      yield warn("W011", rule, ["annotations", field], { ...said, fragment: part.source });
    }
  }
}

/** Leap years, and each date on each day of the week... */
const YEARS_FROM_US = Date.UTC(2024, 0, 1) * 1_000;
/** ...or nearly so: dates that are not active are few. */
const YEARS_UNTIL_US = Date.UTC(2030, 0, 1) * 1_000;

/** Calendars under which no window is ever looked at, or not for long enough. */
function* deadCalendars({ spec, ...rule }: CheckedRule): Iterable<RuleProblem> {
  if (spec.active === undefined || (spec.when === undefined && spec.absent === undefined)) return;
  // Windows of other kinds end at any time.
  const step = stepUsOf(spec) || 1;
  const forUs = us(spec.for);
  let hasEnd = false;
  let longestUs = 0;
  for (const { fromUs, untilUs } of new Calendar(spec.active).stretches(YEARS_FROM_US, YEARS_UNTIL_US)) {
    const last = Math.floor(untilUs / step) * step;
    const first = (Math.floor(fromUs / step) + 1) * step;
    if (first > last) continue;
    hasEnd = true;
    longestUs = Math.max(longestUs, last - first);
    if (longestUs >= forUs) return;
  }
  const whole = { ...rule, spec };
  const beside = ["window", "absent"];
  if (!hasEnd) {
    const message =
      spec.absent !== undefined ? "there is no active time" : "no window ends in active time, so none is looked at";
    const help = "windows are counted from 1970-01-01 UTC: choose shorter ones, or other hours";
    yield warn("W019", whole, ["active"], { message, help, beside });
    return;
  }
  const message = `\`for: ${spec.for}\` is longer than active time ever lasts, so no alert fires`;
  const help = `outside active time \`when\` does not hold; at most ${formatDurationUs(longestUs)} lie between two windows of one stretch`;
  yield warn("W019", whole, ["for"], { message, help, beside: ["active", "window"] });
}

/** How often a window ends at least; 0 where one may end at any time. */
function stepUsOf({ window, let: lets, absent }: RuleSpec): number {
  if (absent !== undefined) return 0;
  const windows = lets === undefined ? [window] : Object.values(lets).map((own) => own.window ?? window);
  return Math.min(...windows.map((one) => us(one?.tumbling ?? one?.every ?? "0s")));
}

/** More changes than time allows. */
function* deadFlapping({ spec, ...rule }: CheckedRule): Iterable<RuleProblem> {
  if (spec.flapping === undefined || (spec.when === undefined && spec.absent === undefined)) return;
  const { changes, within } = spec.flapping;
  const stepUs = stepUsOf(spec);
  const whole = (holdUs: number) => (stepUs === 0 ? holdUs : Math.ceil(holdUs / stepUs) * stepUs);
  const endsUs = spec.absent === undefined ? stepUs + whole(us(spec.keep_firing_for)) : 0;
  const beginsUs = spec.absent === undefined ? stepUs + whole(us(spec.for)) : us(spec.absent);
  const neededUs =
    Math.floor((changes - 1) / 2) * (endsUs + beginsUs) + ((changes - 1) % 2) * Math.min(endsUs, beginsUs);
  if (neededUs < us(within)) return;
  const message = `${changes} changes within ${within} cannot be: they take ${formatDurationUs(neededUs)} at least`;
  const help = `write within: ${formatDurationUs(4 * neededUs)} for example, or fewer changes`;
  const beside = ["window", "absent", "for", "keep_firing_for"];
  yield warn("W022", { ...rule, spec }, ["flapping"], { message, help, beside });
}

function* foreignPatterns(rule: CheckedRule): Iterable<RuleProblem> {
  for (const [label, patterns] of Object.entries(rule.spec.where)) {
    for (const [i, pattern] of [patterns].flat().entries()) {
      const path = typeof patterns === "string" ? ["where", label] : ["where", label, i];
      const [, sign = "", bare = ""] = /^(!?)(.*)$/s.exec(pattern) ?? [];
      if (!/\.\*|\.\+|\\[dws.]|^\^|\$$|\||\{.*\}|^\/.*\/$|^~|\[.*\]|^(?:not|except)\s/i.test(bare)) continue;
      const message = `"${pattern}" looks like a pattern of another language`;
      const glob = bare
        .replace(/^[/^]+|[/$]+$/g, "")
        .replace(/\.[*+]/g, "*")
        .replace(/^(?:not|except)\s+/i, "!")
        .replace(/^/, sign);
      const isGlob = /^!?[\w.*? -]+$/.test(glob) && glob !== pattern;
      const help = isGlob ? `write "${glob}"` : "only * and ? are special; alternatives are a list: [a, b]";
      yield warn("W012", rule, path, { message, help });
    }
  }
}

/** Labels of which all that is taken is excluded again. */
function* excludedPatterns(rule: CheckedRule): Iterable<RuleProblem> {
  for (const [label, patterns] of Object.entries(rule.spec.where)) {
    const { taken, excluded } = splitPatterns(patterns);
    if (taken.length === 0 || excluded.length === 0) continue;
    const by = taken.map((pattern) => excluded.find((other) => covers(other, pattern)));
    if (by.includes(undefined)) continue;
    const message = `"!${by[0]}" excludes all that \`${label}\` takes`;
    yield warn("W018", rule, ["where", label], { message, help: `remove it, or leave only what ${label} must not be` });
  }
}

/** Whether a glob fits all that another does: with nothing, and with much, in the place of its stars. */
function covers(wide: string, narrow: string): boolean {
  const letters = narrow.replaceAll("?", "\u0000");
  const much = "\u0000".repeat(wide.length + 1);
  return globMatches(wide, letters.replaceAll("*", "")) && globMatches(wide, letters.replaceAll("*", much));
}

const DIFFERENCES = new Set<Aggregate["kind"]>(["rate", "delta", "delta_percent"]);
const NOT_OF_ONE_QUANTITY = new Set<Aggregate["kind"]>(["count", "distinct"]);

function* mixedSeries(rule: CheckedRule): Iterable<RuleProblem> {
  const { spec, aggregates } = rule;
  if (spec.absent !== undefined) return;
  for (const [name, { metric, where, aggregate }] of Object.entries(spec.let ?? {})) {
    if ((metric ?? where.metric ?? spec.where.metric) !== undefined || aggregate === "count") continue;
    const message = `\`${name}\` is ${aggregate} of all metrics together, whatever they measure`;
    yield warn("W014", rule, ["let", name], { message, help: `say which: ${name}: { metric: ... }` });
  }
  if (spec.let !== undefined) return;
  const values = aggregates.filter(({ kind }) => !NOT_OF_ONE_QUANTITY.has(kind));
  const isMetricNamed = spec.where.metric !== undefined && splitPatterns(spec.where.metric).taken.length > 0;
  if (values.length > 0 && !isMetricNamed && !spec.group_by.includes("metric")) {
    const message = `${values[0]?.name} of all metrics together, whatever they measure`;
    yield warn("W014", rule, ["group_by"], {
      message,
      help: "name the metric in `where`, or add metric to `group_by`",
      beside: ["where"],
    });
  }
  const difference = aggregates.find(({ kind }) => DIFFERENCES.has(kind));
  const device = spec.where.device;
  const isOneDevice = typeof device === "string" && !/^!|[*?]/.test(device);
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
