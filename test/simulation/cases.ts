import fc from "fast-check";
import type { Device, Reading, ReadingValue } from "../../domain/reading.ts";
import { rule, type TestEntry } from "../../engine/testing/step-kit.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

const SECOND_US = 1_000_000;
/** Half a minute before a clock change, or before the end of a year. */
const BEGINNINGS_US = [
  "2025-10-26T00:59:30Z", // in Berlin from 03:00 to 02:00
  "2026-03-29T00:59:30Z", // in Berlin from 02:00 to 03:00
  "2026-04-04T14:59:30Z", // on Lord Howe from 02:00 to 01:30
  "2025-12-31T23:59:30Z",
].map((text) => Date.parse(text) * 1000);

export const WINDOWS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  tumbling: { window: { tumbling: "10s" } },
  "tumbling, filled": { window: { tumbling: "10s" }, fill: "last" },
  hopping: { window: { hopping: "10s", every: "2500ms" } },
  sliding: { window: { sliding: "6s" } },
  session: { window: { session: "4s" } },
  count: { window: { count: 4 } },
  "overlapping count": { window: { count: 4, step: 2 } },
};

const PLAIN = ["count", "sum", "avg", "min", "max", "range", "first", "last", "delta", "rate", "variance", "stddev"];
const OTHERS = [
  "rate(1m)",
  "delta_percent",
  "median",
  "p95",
  "p99.9",
  "distinct",
  "count_if(> 5)",
  "count_if(between -2 and 2)",
];
const COURSE = [
  "time_avg",
  "duration(> 3)",
  "duration(2)",
  "integral(1m)",
  "integral(> 2.5, 1h)",
  "integral(outside -1 and 4, 1s)",
  "mkt",
  "increase",
  "counter_rate",
  "counter_rate(1h)",
  "changes",
  "transitions(* -> 1)",
  "transitions(true -> *)",
];
const EVERY = [...PLAIN, ...OTHERS, ...COURSE];
/** Excludes quantiles, because the value of a name does not show whether it comes from a sketch. */
const NAMEABLE = EVERY.filter((name) => !/^(median|p[0-9.]+)$/.test(name));

/** The condition evaluates the first aggregate, and any of these can be first. */
export function aggregatesOf(texts: boolean): string[] {
  const ofTexts = ["duration(open)", "duration(!= ajar)", "changes", "transitions(open -> ajar)", "count_if(== open)"];
  return texts ? ["count", "last", "distinct", ...ofTexts] : [...EVERY, "duration(true)"];
}

export const DISORDERS = {
  ordered: () => fc.constant(0),
  "within the lateness": (latenessUs: number) => fc.integer({ min: 0, max: latenessUs }),
  "on whole seconds": () => fc.integer({ min: 0, max: 8 }).map((seconds) => seconds * SECOND_US),
  "late beyond": () => fc.integer({ min: 0, max: 45 * SECOND_US }),
  "with clock jumps": () =>
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 3 * SECOND_US }) },
      { weight: 1, arbitrary: fc.integer({ min: -3600 * SECOND_US, max: 3600 * SECOND_US }) },
    ),
} as const;

export type Disorder = keyof typeof DISORDERS;

/** Conditions, hysteresis, hold times, grouping and lateness around a window. */
export function rulesFor(window: string, texts: boolean): fc.Arbitrary<RuleSpec> {
  return fc
    .record({
      lateness: fc.constantFrom("0s", "1500ms", "5s"),
      late: fc.constantFrom("update", "update", "drop"),
      group_by: fc.constantFrom("series", "series", ["device", "metric"], ["device"], ["device", "phase"], ["site"]),
      aggregate: fc.shuffledSubarray(aggregatesOf(texts), { minLength: 1 }),
      when: fc.constantFrom(undefined, "> 3", "between -4 and 4", "!= 1"),
      clear: fc.constantFrom(undefined, "< 1", "outside -6 and 6"),
      for: fc.constantFrom("0s", "7s"),
      keep_firing_for: fc.constantFrom("0s", "6s"),
      carry: fc.constantFrom(undefined, undefined, "2s", "9s"),
      max_value: fc.constantFrom(undefined, undefined, 4, 20),
      valid: fc.constantFrom(undefined, undefined, undefined, "between -6 and 8", "!= 3"),
      except: fc.constantFrom(undefined, undefined, undefined, [1, 2], ["open"]),
      hampel: fc.constantFrom(undefined, undefined, undefined, { sigmas: 0.7, at_least: 1 }),
      fill_for: fc.constantFrom("1d", "12s", "25s"),
      max_gap: fc.constantFrom(undefined, undefined, "3s", "11s"),
      partial: fc.constantFrom("keep", "keep", "skip"),
      ...bounds(),
    })
    .map(({ clear, when, ...fields }) => {
      const alert = when === undefined ? {} : { when, ...(clear === undefined ? {} : { clear }) };
      return rule({ id: "r", ...WINDOWS[window], ...fields, ...alert });
    });
}

/** Silences that are longer than most waits between readings. */
export function absencesFor(): fc.Arbitrary<RuleSpec> {
  const fields = { absent: fc.constantFrom("4s", "12s"), ...bounds() };
  const group_by = fc.constantFrom("series", ["device", "metric"]);
  return fc.record({ ...fields, group_by }).map((rest) => rule({ id: "r", ...rest }));
}

/** Flapping, active time and forgetting. */
function bounds() {
  const flapping = fc.record({ changes: fc.constantFrom(3, 4), within: fc.constantFrom("8s", "30s", "90s") });
  return {
    flapping: fc.option(flapping, { nil: undefined }),
    active: fc.option(active(), { nil: undefined }),
    forget_after: fc.constantFrom("1s", "6s", "14s", "30d", "30d"),
  };
}

/** Minutes around the local times at which logs begin, in the zones below. */
const MINUTES = "23:59 00:00 00:01 00:59 01:00 01:01 01:30 01:31 01:59 02:00 02:01 02:59 03:00 03:01".split(" ");

function active(): fc.Arbitrary<unknown> {
  const minute = fc.constantFrom(...MINUTES);
  const range = fc
    .tuple(minute, minute)
    .filter(([from, to]) => from !== to)
    .map(([from, to]) => `${from}-${to}`);
  const part = fc
    .record({
      hours: fc.option(fc.array(range, { minLength: 1, maxLength: 2 }), { nil: undefined }),
      days: fc.constantFrom(undefined, undefined, ["sat-sun"], ["fri-mon"], ["tue", "thu-sat"], ["mon-wed"]),
      except: fc.constantFrom(undefined, undefined, ["10-26"], ["2026-03-29", "2025-03-28"], ["12-31", "04-05"]),
      zone: fc.constantFrom("UTC", "Europe/Berlin", "Europe/Berlin", "Australia/Lord_Howe"),
    })
    .filter(({ hours, days, except }) => hours !== undefined || days !== undefined || except !== undefined);
  return fc.oneof(
    { weight: 3, arbitrary: part },
    { weight: 1, arbitrary: fc.array(part, { minLength: 1, maxLength: 3 }) },
  );
}

const NAMED: readonly fc.Arbitrary<Readonly<Record<string, unknown>>>[] = [
  fc.constant({}),
  fc.constant({ window: { tumbling: "4s" } }),
  fc.constant({ window: { tumbling: "10s" } }),
  fc.constantFrom({ window: { tumbling: "10s" }, fill: "last" }),
  fc.constant({ window: { hopping: "10s", every: "2500ms" } }),
  fc.constant({ window: { hopping: "6s", every: "2s" } }),
];

/** Two or three series, with windows of different lengths, over a device's metrics or over devices. */
export function letRules(): fc.Arbitrary<RuleSpec> {
  const named = fc.tuple(
    fc.oneof(...NAMED),
    fc.constantFrom({ metric: "m" }, { metric: "n" }, { where: { metric: "!flag" } }, { metric: ["m", "flag"] }),
    fc.constantFrom(...NAMEABLE),
  );
  const lets = fc
    .array(named, { minLength: 2, maxLength: 3 })
    .map((names) =>
      Object.fromEntries(
        names.map(([window, series, aggregate], i) => ["abc"[i] ?? "", { ...window, ...series, aggregate }]),
      ),
    );
  const fields = fc.record({
    let: lets,
    lateness: fc.constantFrom("0s", "1500ms", "5s"),
    late: fc.constantFrom("update", "update", "drop"),
    group_by: fc.constantFrom("series", ["device"], ["site"]),
    clear: fc.option(condition(), { nil: undefined }),
    when: condition(),
    max_gap: fc.constantFrom(undefined, "6s"),
    for: fc.constantFrom("0s", "7s"),
    keep_firing_for: fc.constantFrom("0s", "6s"),
    ...bounds(),
  });
  return fields.map((rest) => rule({ id: "r", window: { tumbling: "5s" }, ...rest }));
}

/** Conditions over `a` and `b`. */
function condition(): fc.Arbitrary<string> {
  const number = fc.constantFrom("a", "b", "2", "0.5", "-3.25");
  const term = fc.oneof(
    fc.constantFrom("a", "b"),
    fc.tuple(fc.constantFrom("a", "b"), fc.constantFrom("+", "-", "*", "/"), number).map((words) => words.join(" ")),
    fc.constantFrom("(a + b) / 2", "-a + 3 * b", "a - b - 1", "abs(a - b)"),
  );
  const comparison = fc
    .tuple(term, fc.constantFrom(">", ">=", "<", "<=", "==", "!="), number)
    .map((words) => words.join(" "));
  const { any } = fc.letrec<{ any: string; both: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 2 },
      comparison,
      comparison.map((text) => `!(${text})`),
      tie("both"),
    ),
    both: fc.tuple(tie("any"), fc.constantFrom("&&", "||"), tie("any")).map(([x, sign, y]) => `(${x} ${sign} ${y})`),
  }));
  return any;
}

/** Alerts of all kinds that fire and end repeatedly. */
export function restlessRules(): fc.Arbitrary<RuleSpec> {
  const last = (metric: string) => ({ metric, aggregate: "last" });
  const kinds: readonly Readonly<Record<string, unknown>>[] = [
    { window: { tumbling: "4s" }, when: "> 0" },
    { window: { tumbling: "4s" }, when: "> 0", clear: "< 0", fill: "last" },
    { window: { tumbling: "2s" }, when: "> 0", fill: "last", fill_for: "20s" },
    { window: { hopping: "4s", every: "2s" }, when: "between 0.5 and 9" },
    { window: { sliding: "3s" }, when: "> 0" },
    { window: { count: 2 }, when: "!= -1" },
    { let: { a: last("m"), b: last("n") }, window: { tumbling: "4s" }, when: "a + b > 0" },
    {
      let: { a: last("m"), b: { ...last("?"), window: { tumbling: "2s" } } },
      window: { tumbling: "4s" },
      when: "a > 0",
    },
    { absent: "3s" },
    { absent: "4s" },
  ];
  const fields = {
    kind: fc.constantFrom(...kinds),
    for: fc.constantFrom("0s", "0s", "5s"),
    max_gap: fc.constantFrom(undefined, "4s"),
    keep_firing_for: fc.constantFrom("0s", "0s", "4s", "12s"),
    late: fc.constantFrom("update", "drop"),
    ...bounds(),
  };
  return fc.record(fields).map(({ kind, for: holding, max_gap, keep_firing_for, late, ...rest }) => {
    const alert = "absent" in kind ? {} : { aggregate: "last", for: holding, max_gap, keep_firing_for, late };
    return rule({ id: "r", ...kind, ...alert, ...rest });
  });
}

/** Now and then, an entry says that the device is gone; its tags decide whose keys that are. */
function departure(): fc.Arbitrary<readonly Device[]> {
  const tags = fc.constantFrom({ site: "s" }, { site: "s", phase: "L1" }, {}, { site: "other" });
  const gone = tags.map((one) => [{ device: "d", tags: one }]);
  return fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: gone });
}

/** A device with a reading every few seconds, some of them late. */
export function restlessLogs(spec: RuleSpec): fc.Arbitrary<TestEntry[]> {
  const step = fc.record({
    waitUs: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 8 }).map((halves) => (halves * SECOND_US) / 2) },
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 * SECOND_US }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 * SECOND_US }) },
    ),
    lagUs: fc.oneof(
      { weight: 7, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 9e6 }) },
    ),
    value: fc.constantFrom(-1, 0, 1, 5),
    phase: fc.constantFrom(undefined, undefined, undefined, "L1"),
    metrics: fc.constantFrom(["m"], ["n"], ["m", "n"], ["m", "n"], []),
    gone: departure(),
  });
  const steps = fc.array(step, { minLength: 5, maxLength: 50 });
  return fc.tuple(fc.constantFrom(...BEGINNINGS_US), steps).map(([beginUs, taken]) => {
    const entries: TestEntry[] = [{ kind: "rules", storedAtUs: beginUs, specs: [spec] }];
    let nowUs = beginUs;
    for (const { waitUs, lagUs, value, phase, metrics, gone } of taken) {
      const tags = { site: "s", ...(phase === undefined ? {} : { phase }) };
      nowUs += waitUs;
      const readings = metrics.map((metric, i) => {
        return { device: "d", metric, tags, atUs: nowUs - lagUs, value: i === 0 ? value : 0 };
      });
      entries.push({ kind: "readings", storedAtUs: nowUs, readings });
      if (gone.length > 0) entries.push({ kind: "gone", storedAtUs: nowUs, devices: gone });
    }
    entries.push({ kind: "tick", storedAtUs: nowUs + 20_000_000 });
    return entries;
  });
}

/** The log with added edits. Each edit replaces the rule. */
export function editedLogs(logs: fc.Arbitrary<TestEntry[]>, rules: fc.Arbitrary<RuleSpec>): fc.Arbitrary<TestEntry[]> {
  const edited = fc.tuple(logs, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), fc.infiniteStream(rules));
  return edited.map(([entries, places, specs]) => {
    const all = [...entries];
    for (const place of places) {
      const at = 1 + (place % (all.length - 1));
      const { value: spec } = specs.next();
      all.splice(at, 0, {
        kind: "rules",
        storedAtUs: all[at]?.storedAtUs ?? 0,
        specs: spec === undefined ? [] : [spec],
      });
    }
    return all;
  });
}

/** A log for one rule: entries with readings of several series, and ticks. */
export function logsFor(spec: RuleSpec, disorder: Disorder, texts: boolean): fc.Arbitrary<TestEntry[]> {
  const latenessUs = Number.parseFloat(spec.lateness) * (spec.lateness.endsWith("ms") ? 1000 : SECOND_US);
  const value: fc.Arbitrary<ReadingValue> = texts
    ? fc.constantFrom("open", "closed", "ajar")
    : fc.integer({ min: -80, max: 80 }).map((eighths) => eighths / 8);
  const one = fc.record({
    device: fc.constantFrom("d", "d", "d", "e"),
    metric: fc.constantFrom("m", "m", "n", "flag"),
    phase: fc.constantFrom(undefined, undefined, "L1", "L2"),
    isOfOtherKind: fc.nat({ max: 20 }).map((n) => n === 20),
    lagUs: DISORDERS[disorder](latenessUs),
    value,
  });
  const waitUs = fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 3_000_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 5 }).map((seconds) => seconds * SECOND_US) },
    { weight: 1, arbitrary: fc.integer({ min: 3_000_000, max: 45_000_000 }) },
  );
  const step = fc.record({ waitUs, readings: fc.array(one, { maxLength: 5 }), dryUs: waitUs, gone: departure() });
  const steps = fc.array(step, { minLength: 1, maxLength: 25 });
  return fc.tuple(fc.constantFrom(...BEGINNINGS_US), steps).map(([beginUs, taken]) => {
    const entries: TestEntry[] = [{ kind: "rules", storedAtUs: beginUs, specs: [spec] }];
    let nowUs = beginUs;
    let clockUs = beginUs;
    // Expressions do not mix texts and numbers.
    const other: ReadingValue = texts ? 3 : spec.let === undefined ? "fault" : true;
    for (const { waitUs: us, readings, dryUs, gone } of taken) {
      nowUs += us;
      // Device time is independent of processing time, because a log can also be read much later.
      clockUs += disorder === "on whole seconds" ? Math.ceil(us / SECOND_US) * SECOND_US : us;
      const output = readings.map(({ device, metric, phase, isOfOtherKind, lagUs, value: each }, i): Reading => {
        const atUs = clockUs - lagUs + (disorder === "ordered" ? i : 0);
        return {
          device,
          metric,
          tags: { site: "s", ...(phase === undefined ? {} : { phase }) },
          atUs,
          value: isOfOtherKind ? other : metric === "flag" && !texts ? lagUs % 2 === 0 : each,
        };
      });
      entries.push(
        output.length === 0
          ? { kind: "tick", storedAtUs: nowUs }
          : { kind: "readings", storedAtUs: nowUs, readings: output },
      );
      if (gone.length > 0) entries.push({ kind: "gone", storedAtUs: nowUs, devices: gone });
      nowUs += dryUs > 20_000_000 ? 0 : Math.floor(dryUs / 10);
    }
    entries.push({ kind: "tick", storedAtUs: nowUs + 20_000_000 });
    return entries;
  });
}
