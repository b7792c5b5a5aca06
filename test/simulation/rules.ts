import { type RuleSpec, ruleSpecSchema } from "../../processors/rules/rule-spec.ts";
import type { Random } from "./random.ts";

const NUMERIC = ["avg", "count", "sum", "min", "max", "range", "first", "last", "delta", "rate", "variance", "stddev"];
const MORE = ["median", "p95", "distinct", "count_if(> 20)"];

type Fields = Readonly<Record<string, unknown>>;

/** A few rules of all kinds. No two have the same lateness, so that none shares its windows with another. */
export function makeRules(random: Random): RuleSpec[] {
  return Array.from({ length: random.whole(2, 4) }, (_, i) => makeRule(`rule-${i}`, random, i));
}

function makeRule(id: string, random: Random, i: number): RuleSpec {
  const group_by = random.pick([["device", "metric"], ["device", "metric"], ["device"], ["site"], ["site", "metric"]]);
  if (random.chance(0.15)) {
    return ruleSpecSchema.parse({ id, group_by, absent: random.pick(["5s", "11s"]), where: { metric: "m" } });
  }
  const window = makeWindow(random);
  const tumbling = "tumbling" in window;
  const texts = random.chance(0.2);
  const aggregate = texts ? ["count", ...(tumbling ? ["duration(open)"] : []), "distinct"] : makeAggregates(random);
  return ruleSpecSchema.parse({
    id,
    group_by,
    where: texts ? { metric: "door" } : { metric: random.pick(["m", "?", "*"]) },
    window,
    aggregate,
    lateness: `${random.pick([0, 1000, 4000]) + i * 100}ms`,
    late: random.pick(["update", "update", "drop"]),
    ...(tumbling && !texts && random.chance(0.25) ? { fill: "last" } : {}),
    ...(random.chance(0.6) ? makeCondition(random) : {}),
  });
}

function makeWindow(random: Random): Fields {
  return random.pick<Fields>([
    { tumbling: "3s" },
    { tumbling: "10s" },
    { hopping: "6s", every: "2s" },
    { sliding: "4s" },
    { session: "3s" },
    { count: 5 },
  ]);
}

function makeAggregates(random: Random): string[] {
  const list = [random.pick(NUMERIC), ...[...NUMERIC, ...MORE].filter(() => random.chance(0.3))];
  return [...new Set(list)];
}

function makeCondition(random: Random): Fields {
  return {
    when: random.pick(["> 20", "between 10 and 60", "<= 35.5", "!= 0"]),
    ...(random.chance(0.4) ? { clear: random.pick(["< 10", "outside -10 and 70"]) } : {}),
    for: random.pick(["0s", "0s", "3s", "9s"]),
    keep_firing_for: random.pick(["0s", "0s", "5s"]),
  };
}

/** One row of the table of edits. */
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
  // An edit that the schema refuses for this rule (a condition on an absence, say) is none.
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
  condition: (_, random) => ({ clear: undefined, ...makeCondition(random) }),
  aggregate: (rule, random) => ({
    aggregate: rule.aggregate.includes("distinct") ? rule.aggregate : makeAggregates(random),
  }),
  window: (rule, random) => (rule.window === undefined ? {} : { window: makeWindow(random) }),
  where: (rule, random) => ({ where: { ...rule.where, device: random.pick(["*", "d0", "d?"]) } }),
  lateness: (rule) => ({ lateness: rule.lateness === "2050ms" ? "2070ms" : "2050ms" }),
  late: (rule) => ({ late: rule.late === "drop" ? "update" : "drop" }),
  fill: (rule) => ({ fill: rule.fill === "last" ? "none" : "last" }),
  group_by: (rule) => ({
    group_by: rule.group_by.includes("metric")
      ? rule.group_by.filter((name) => name !== "metric")
      : ["device", "metric"],
  }),
  absent: (rule) =>
    rule.absent === undefined
      ? {
          absent: "7s",
          window: undefined,
          when: undefined,
          clear: undefined,
          for: "0s",
          keep_firing_for: "0s",
          fill: "none",
        }
      : { absent: undefined, window: { tumbling: "3s" } },
  "when removed": () => ({ when: undefined, clear: undefined }),
  id: (rule) => ({ id: `${rule.id}-x`, lateness: "3030ms" }),
};
