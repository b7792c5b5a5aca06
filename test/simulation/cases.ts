import fc from "fast-check";
import type { Reading, ReadingValue } from "../../domain/reading.ts";
import type { RuleSpec } from "../../processors/rules/rule-spec.ts";
import { rule, type TestEntry } from "../../processors/step/step-kit.ts";

const SECOND_US = 1_000_000;
const BEGIN_US = 1_763_769_600_000_000;

export const WINDOWS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  tumbling: { window: { tumbling: "10s" } },
  "tumbling, filled": { window: { tumbling: "10s" }, fill: "last" },
  hopping: { window: { hopping: "10s", every: "2500ms" } },
  sliding: { window: { sliding: "6s" } },
  session: { window: { session: "4s" } },
  count: { window: { count: 4 } },
};

const PLAIN = ["count", "sum", "avg", "min", "max", "range", "first", "last", "delta", "rate", "variance", "stddev"];
const OTHERS = ["median", "p95", "p99.9", "distinct", "count_if(> 5)", "count_if(between -2 and 2)"];
const EVERY = [...PLAIN, ...OTHERS];

/** Each aggregate comes first once, because the condition looks at the first. */
export function aggregatesOf(window: string, texts: boolean): string[] {
  const durations = window === "tumbling" ? ["duration(open)", "duration(true)"] : [];
  return texts ? ["count", "last", "distinct", ...durations] : [...EVERY, ...durations];
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

/** Conditions, hysteresis, holding times, grouping and lateness around a window. */
export function rulesFor(window: string, texts: boolean): fc.Arbitrary<RuleSpec> {
  return fc
    .record({
      lateness: fc.constantFrom("0s", "1500ms", "5s"),
      late: fc.constantFrom("update", "update", "drop"),
      group_by: fc.constantFrom(["device", "metric"], ["device"]),
      aggregate: fc.shuffledSubarray(aggregatesOf(window, texts), { minLength: 1 }),
      when: fc.constantFrom(undefined, "> 3", "between -4 and 4", "!= 1"),
      clear: fc.constantFrom(undefined, "< 1", "outside -6 and 6"),
      for: fc.constantFrom("0s", "7s"),
      keep_firing_for: fc.constantFrom("0s", "6s"),
    })
    .map(({ clear, when, ...fields }) => {
      const alert = when === undefined ? {} : { when, ...(clear === undefined ? {} : { clear }) };
      return rule({ id: "r", ...WINDOWS[window], ...fields, ...alert });
    });
}

/** A log under one rule: readings of three series as they come, in entries, and ticks. */
export function logsFor(spec: RuleSpec, disorder: Disorder, texts: boolean): fc.Arbitrary<TestEntry[]> {
  const latenessUs = Number.parseFloat(spec.lateness) * (spec.lateness.endsWith("ms") ? 1000 : SECOND_US);
  const value: fc.Arbitrary<ReadingValue> = texts
    ? fc.constantFrom("open", "closed", "ajar")
    : fc.integer({ min: -80, max: 80 }).map((eighths) => eighths / 8);
  const one = fc.record({
    metric: fc.constantFrom("m", "m", "n", "flag"),
    lagUs: DISORDERS[disorder](latenessUs),
    value,
  });
  const waitUs = fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 3_000_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 5 }).map((seconds) => seconds * SECOND_US) },
    { weight: 1, arbitrary: fc.integer({ min: 3_000_000, max: 45_000_000 }) },
  );
  const step = fc.record({ waitUs, readings: fc.array(one, { maxLength: 5 }), dryUs: waitUs });
  return fc.array(step, { minLength: 1, maxLength: 25 }).map((steps) => {
    const entries: TestEntry[] = [{ kind: "rules", storedAtUs: BEGIN_US, specs: [spec] }];
    let nowUs = BEGIN_US;
    let clockUs = BEGIN_US;
    for (const { waitUs: us, readings, dryUs } of steps) {
      nowUs += us;
      // Device time goes on by itself: logs are also read long after.
      clockUs += disorder === "on whole seconds" ? Math.ceil(us / SECOND_US) * SECOND_US : us;
      const said = readings.map(({ metric, lagUs, value: each }, i): Reading => {
        const atUs = clockUs - lagUs + (disorder === "ordered" ? i : 0);
        return {
          device: "d",
          metric,
          tags: { site: "s" },
          atUs,
          value: metric === "flag" && !texts ? lagUs % 2 === 0 : each,
        };
      });
      entries.push(
        said.length === 0
          ? { kind: "tick", storedAtUs: nowUs }
          : { kind: "readings", storedAtUs: nowUs, readings: said },
      );
      nowUs += dryUs > 20_000_000 ? 0 : Math.floor(dryUs / 10);
    }
    entries.push({ kind: "tick", storedAtUs: nowUs + 20_000_000 });
    return entries;
  });
}
