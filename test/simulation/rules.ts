import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";
import type { Random } from "./random.ts";

const NUMERIC = ["avg", "count", "sum", "min", "max", "range", "first", "last", "delta", "rate", "variance", "stddev"];
/** Excludes quantiles, because the value of a name does not show whether it comes from a sketch. */
const NAMEABLE = [...NUMERIC, "distinct", "count_if(> 20)", "rate(1m)", "delta_percent", "time_avg", "increase"];
const MORE = ["median", "p95", "distinct", "count_if(> 20)", "rate(1m)", "delta_percent"];
/** Over the course of values. */
const COURSE = [
  "time_avg",
  "duration(> 20)",
  "integral(1m)",
  "integral(outside 12 and 50.5, 1s)",
  "mkt",
  "increase",
  "counter_rate(1m)",
  "changes",
  "transitions(* -> 1)",
];

const TEXTUAL = ["duration(open)", "duration(!= open)", "changes", "transitions(* -> open)", "count_if(== open)"];

const GROUPINGS: readonly RuleSpec["group_by"][] = [
  "series",
  "series",
  "series",
  ["device", "metric"],
  ["device", "metric", "phase"],
  ["device"],
  ["site"],
  ["site", "metric"],
  ["phase", "site"],
];

type Fields = Readonly<Record<string, unknown>>;

/**
 * Active time around the instant 15 seconds after the start of a world: 01:00 UTC, when it is 02:00 in Berlin for the
 * second time.
 */
const ACTIVE: readonly unknown[] = [
  { hours: ["02:00-02:30"], days: ["sat-sun"], zone: "Europe/Berlin" },
  { hours: ["02:30-03:00"], zone: "Europe/Berlin" },
  { hours: ["22:00-01:00"], days: ["fri-sat"] },
  { hours: ["20:59-21:00", "22:00-20:59"], days: ["sat"], zone: "America/New_York" },
  { hours: ["12:30-12:00"], except: ["10-25"], zone: "Australia/Lord_Howe" },
  { except: ["2025-10-26"], zone: "America/New_York" },
  [{ hours: ["01:00-01:01"] }, { hours: ["00:00-23:59"], days: ["wed-mon"], except: ["10-26"] }],
  [{ hours: ["00:59-01:00"] }, { hours: ["01:00-01:01"], zone: "Europe/London" }],
];

/** Calendars with windows that begin at that instant, or where clocks show the same time again. */
const CALENDARS: readonly Fields[] = [
  { calendar: "day", zone: "Atlantic/Cape_Verde" },
  { calendar: "day", zone: "Atlantic/Azores" },
  { calendar: "day", zone: "Europe/Berlin", offset: "02:00" },
  { calendar: "week", starts: "sun", zone: "Atlantic/Cape_Verde" },
  { calendar: "month" },
  { shifts: ["01:01", "01:00", "01:02", "01:05"] },
  { shifts: ["02:00", "02:01", "03:00"], zone: "Europe/Berlin" },
];

/** Patterns with exclusions. No series has a rack. */
const NEGATIONS: readonly Fields[] = [
  { device: "!d0" },
  { device: ["d*", "!d1"], metric: ["*", "!n"] },
  { site: "!north" },
  { rack: ["!*"], site: ["!s*", "!w*"] },
];

/** A few rules of all kinds. Each has a different lateness, so that they share no windows. */
export function makeRules(random: Random): RuleSpec[] {
  return Array.from({ length: random.whole(2, 4) }, (_, i) => makeRule(`rule-${i}`, random, i));
}

function makeRule(id: string, random: Random, i: number): RuleSpec {
  const group_by = random.pick(GROUPINGS);
  if (random.chance(0.2)) {
    const where = { metric: "m", ...makeNegation(random) };
    return ruleSpecSchema.parse({ id, group_by, absent: random.pick(["5s", "11s"]), where, ...makeBounds(random) });
  }
  if (random.chance(0.3)) return ruleSpecSchema.parse({ id, group_by, ...makeLateness(random, i), ...makeLet(random) });
  const window = makeWindow(random);
  const tumbling = "tumbling" in window;
  const texts = random.chance(0.2);
  const aggregate = texts ? ["count", ...TEXTUAL.filter(() => random.chance(0.5)), "distinct"] : makeAggregates(random);
  return ruleSpecSchema.parse({
    id,
    group_by,
    where: { ...(texts ? { metric: "door" } : { metric: random.pick(["m", "?", "*"]) }), ...makeNegation(random) },
    window,
    aggregate,
    ...makeLateness(random, i),
    ...(tumbling && !texts && random.chance(0.25) ? { fill: "last", fill_for: random.pick(["1d", "8s"]) } : {}),
    ...makeCourse(random),
    ...(random.chance(0.6) ? { ...makeCondition(random), ...makeBounds(random) } : {}),
    partial: random.pick(["keep", "keep", "skip"]),
  });
}

function makeLateness(random: Random, i: number): Fields {
  return { lateness: `${random.pick([0, 1000, 4000]) + i * 100}ms`, late: random.pick(["update", "update", "drop"]) };
}

function makeNegation(random: Random): Fields {
  return random.chance(0.2) ? random.pick(NEGATIONS) : {};
}

/** Flapping, active time and forgetting. */
function makeBounds(random: Random): Fields {
  return {
    ...(random.chance(0.4) ? { forget_after: random.pick(["1s", "4s", "9s"]) } : {}),
    ...(random.chance(0.25) ? { active: random.pick(ACTIVE) } : {}),
    ...(random.chance(0.25) ? { flapping: makeFlapping(random) } : {}),
  };
}

function makeFlapping(random: Random): Fields {
  return { changes: random.pick([3, 3, 4]), within: random.pick(["8s", "20s", "40s"]) };
}

/** Two or three series with a condition over them. */
function makeLet(random: Random): Fields {
  const names = random.pick([
    ["a", "b"],
    ["a", "b", "c"],
  ]);
  const lets = Object.fromEntries(names.map((name) => [name, makeName(random)]));
  const where = makeNegation(random);
  return { let: lets, where, window: { tumbling: "5s" }, ...makeExpressions(lets, random), ...makeBounds(random) };
}

function makeName(random: Random): Fields {
  const window = random.pick<Fields>([
    { tumbling: "5s" },
    { tumbling: "3s" },
    { tumbling: "10s" },
    { hopping: "6s", every: "2s" },
    { hopping: "10s", every: "5s" },
  ]);
  // A name without a window uses the rule's window.
  const own = random.chance(0.2) ? {} : { window };
  if (random.chance(0.15)) return { metric: "door", ...own, aggregate: "last" };
  // Filling shorter windows over an hour would exceed the number of windows that is kept.
  const fill = window.tumbling === "10s" && random.chance(0.4) ? { window, fill: "last" } : own;
  const offset = random.chance(0.25) ? { offset: random.pick(["5s", "7s", "10s", "1s"]) } : {};
  const metric = random.pick(["m", "n", "?"]);
  return { metric, aggregate: random.pick(NAMEABLE), ...offset, ...fill, ...makeCourse(random) };
}

type Names = Readonly<Record<string, Fields | undefined>>;

function makeExpressions(names: Names, random: Random): Fields {
  const one = () => makeExpression(names, random);
  const levels = () => ({ warning: one(), critical: random.chance(0.3) ? { when: one(), clear: one() } : one() });
  return {
    ...(random.chance(0.2) ? { when: undefined, levels: levels() } : { when: one(), levels: undefined }),
    ...(random.chance(0.4) ? { clear: one() } : {}),
    for: random.pick(["0s", "0s", "3s"]),
    ...(random.chance(0.5) ? { max_gap: "5s" } : {}),
    keep_firing_for: random.pick(["0s", "0s", "5s"]),
  };
}

function makeExpression(names: Names, random: Random): string {
  const one = () => makeComparison(names, random);
  return random.pick([
    () => one(),
    () => `!(${one()})`,
    () => `${one()} && ${one()}`,
    () => `${one()} || ${one()}`,
    () => `(${one()} || ${one()}) && !(${one()})`,
  ])();
}

function makeComparison(names: Names, random: Random): string {
  const name = random.pick(Object.keys(names));
  const isText = (each: string) => names[each]?.metric === "door" && names[each].aggregate === "last";
  if (isText(name)) return `${name} ${random.pick(["==", "!="])} "open"`;
  const other = random.pick(Object.keys(names).filter((each) => !isText(each)));
  const left = random.pick([
    name,
    `${name} + ${other}`,
    `${name} - 2 * ${other}`,
    `(${name} + ${other}) / 2`,
    `-${name}`,
    `${name} / ${other}`,
    `abs(${name} - ${other})`,
  ]);
  return `${left} ${random.pick([">", "<=", "<", ">=", "!="])} ${random.pick(["20", "0", "10.5", other])}`;
}

function makeWindow(random: Random): Fields {
  return random.pick<Fields>([
    { tumbling: "3s" },
    { tumbling: "10s" },
    { hopping: "6s", every: "2s" },
    { sliding: "4s" },
    { session: "3s" },
    random.chance(0.5) ? { count: 5 } : { count: 4, step: random.whole(1, 3) },
    random.pick(CALENDARS),
  ]);
}

function makeAggregates(random: Random): string[] {
  const list = [random.pick(NUMERIC), ...[...NUMERIC, ...MORE].filter(() => random.chance(0.3))];
  const course = random.chance(0.4) ? COURSE.filter(() => random.chance(0.25)) : [];
  return [...new Set([...list, ...course])];
}

/** How long values hold, and where counters end. */
function makeCourse(random: Random): Fields {
  return {
    ...(random.chance(0.3) ? { carry: random.pick(["1s", "4s", "20s"]) } : {}),
    ...(random.chance(0.2) ? { max_value: random.pick([40, 100]) } : {}),
    ...(random.chance(0.1) ? { valid: random.pick(["> 10", "between -40 and 60", "!= 1"]) } : {}),
    ...(random.chance(0.15) ? { hampel: { sigmas: random.pick([0.5, 1]), at_least: random.pick([0, 30]) } } : {}),
    ...(random.chance(0.1) ? { except: random.pick([[1], [0, 20], "open"]) } : {}),
  };
}

const LEVELS: readonly Fields[] = [
  { info: "> 10", warning: "> 20", critical: "> 40" },
  { warning: "> 20", critical: { when: "> 35", clear: "< 25" } },
  { warning: { when: "< 40", clear: "> 45" }, critical: "< 15.5" },
  { info: "outside 12 and 50.5", critical: "outside 5 and 60" },
  // Not one within the other, and a clear that overlaps.
  { info: { when: "> 50", clear: "< 60" }, warning: "between 10 and 30", critical: { when: "< 20", clear: "> 15" } },
];

/** Conditions by severity. */
function makeLevels(random: Random): Fields {
  return {
    levels: random.pick(LEVELS),
    for: random.pick(["0s", "3s", "9s"]),
    keep_firing_for: random.pick(["0s", "5s"]),
  };
}

function makeCondition(random: Random): Fields {
  if (random.chance(0.3)) return makeLevels(random);
  return {
    when: random.pick(["> 20", "between 10 and 60", "<= 35.5", "!= 0", "outside 12 and 50.5"]),
    ...(random.chance(0.4) ? { clear: random.pick(["< 10", "outside -10 and 70"]) } : {}),
    for: random.pick(["0s", "0s", "3s", "9s"]),
    ...(random.chance(0.3) ? { max_gap: "4s" } : {}),
    keep_firing_for: random.pick(["0s", "0s", "5s"]),
  };
}

/** Applies one row of the table of edits. */
export function editRules(specs: readonly RuleSpec[], random: Random): { what: string; specs: RuleSpec[] } {
  const place = random.whole(0, specs.length - 1);
  const rule = specs[place];
  const what = random.pick(Object.keys(EDITS));
  if (rule === undefined || what === "none") return { what: "no change", specs: [...specs] };
  if (what === "order") return { what, specs: [...specs].reverse() };
  if (what === "removed") return { what, specs: specs.filter((each) => each !== rule) };
  if (what === "added")
    return { what, specs: [...specs, makeRule(`rule-${specs.length}-new`, random, 20 + specs.length)] };
  const edited = { ...rule, ...(EDITS[what] ?? (() => ({})))(rule, random) };
  // An edit that the schema rejects for this rule has no effect. Example: a condition on an absence.
  const parsed = ruleSpecSchema.safeParse(JSON.parse(JSON.stringify(edited)));
  if (!parsed.success) return { what: "no change", specs: [...specs] };
  return { what, specs: specs.map((each) => (each === rule ? parsed.data : each)) };
}

const EDITS: Readonly<Record<string, (rule: RuleSpec, random: Random) => Fields>> = {
  none: () => ({}),
  order: () => ({}),
  removed: () => ({}),
  added: () => ({}),
  texts: () => ({ severity: "critical", labels: { team: "night" }, annotations: { summary: "now" }, notify: ["ops"] }),
  condition: ({ let: names }, random) => ({
    clear: undefined,
    when: undefined,
    levels: undefined,
    ...(names === undefined ? makeCondition(random) : makeExpressions(names, random)),
  }),
  flapping: (rule, random) => ({ flapping: rule.flapping && random.chance(0.5) ? undefined : makeFlapping(random) }),
  forget_after: (_, random) => ({ forget_after: random.pick(["1s", "3s", "8s", "30d"]) }),
  active: (rule, random) => ({ active: rule.active && random.chance(0.5) ? undefined : random.pick(ACTIVE) }),
  let: ({ let: names }, random) =>
    names === undefined ? { levels: undefined, ...makeLet(random) } : { levels: undefined, ...editLet(names, random) },
  "from let": (rule, random) =>
    rule.let === undefined
      ? {}
      : { let: undefined, window: { tumbling: "3s" }, when: undefined, clear: undefined, ...makeLevels(random) },
  aggregate: (rule, random) => ({
    aggregate: rule.aggregate.includes("distinct") ? rule.aggregate : makeAggregates(random),
  }),
  window: (rule, random) => (rule.window === undefined ? {} : { window: makeWindow(random) }),
  where: (rule, random) => ({ where: { ...rule.where, device: random.pick(["*", "d0", "d?"]) } }),
  lateness: (rule) => ({ lateness: rule.lateness === "2050ms" ? "2070ms" : "2050ms" }),
  late: (rule) => ({ late: rule.late === "drop" ? "update" : "drop" }),
  course: (_, random) => ({
    ...{ carry: undefined, max_value: undefined, valid: undefined, except: undefined, hampel: undefined },
    ...makeCourse(random),
  }),
  fill: (rule) => ({ fill: rule.fill === "last" ? "none" : "last" }),
  partial: (rule) => ({ partial: rule.partial === "skip" ? "keep" : "skip" }),
  fill_for: (rule) => ({ fill_for: rule.fill_for === "5s" ? "9s" : "5s" }),
  group_by: (rule, random) => ({ group_by: random.pick(GROUPINGS.filter((one) => one !== rule.group_by)) }),
  "how long absent": (rule) => (rule.absent === undefined ? {} : { absent: rule.absent === "5s" ? "9s" : "4s" }),
  absent: (rule) =>
    rule.absent === undefined
      ? {
          let: undefined,
          absent: "7s",
          window: undefined,
          when: undefined,
          levels: undefined,
          clear: undefined,
          for: "0s",
          max_gap: undefined,
          keep_firing_for: "0s",
          fill: "none",
        }
      : { absent: undefined, window: { tumbling: "3s" } },
  levels: ({ let: names }, random) =>
    names === undefined ? { when: undefined, clear: undefined, ...makeLevels(random) } : {},
  "when removed": () => ({ when: undefined, levels: undefined, clear: undefined }),
  id: (rule) => ({ id: `${rule.id}-x`, lateness: "3030ms" }),
};

/** Changes the window, aggregate or series of a name, or adds or removes a name. */
function editLet(names: NonNullable<RuleSpec["let"]>, random: Random): Fields {
  const [name = "", another = ""] = Object.keys(names);
  const named = names[name];
  const edited = random.pick<() => Names>([
    () => ({ ...names, [name]: { ...named, window: { tumbling: "4s" } } }),
    () => ({ ...names, [name]: { ...named, aggregate: named?.aggregate === "max" ? "count" : "max" } }),
    () => ({ ...names, [name]: { ...named, where: { device: random.pick(["*", "d0", "!d1"]) } } }),
    () => ({ ...names, [name]: { ...named, offset: named?.offset === "3s" ? undefined : "3s" } }),
    () => ({ ...names, extra: makeName(random) }),
    () => ({ [name]: named, [another]: names[another] }),
  ])();
  return { let: edited, ...makeExpressions(edited, random), clear: undefined };
}
