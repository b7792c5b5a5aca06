import type { Reading, ReadingValue } from "../../domain/reading.ts";
import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";
import { Random } from "../simulation/random.ts";

const SECOND_US = 1e6;
const BEGIN_US = Date.parse("2026-03-01T00:00:00Z") * 1000;

/** A rule, and the readings of one key in the order of arrival. No reading is so late that it is dropped. */
export interface Case {
  readonly kind: string;
  readonly spec: RuleSpec;
  readonly readings: readonly Reading[];
}

type Fields = Readonly<Record<string, unknown>>;

const WINDOWS: Readonly<Record<string, (random: Random) => Fields>> = {
  tumbling: (random) => ({ window: { tumbling: random.pick(["7s", "1m", "10m"]) } }),
  filled: (random) => ({ window: { tumbling: random.pick(["7s", "1m"]) }, fill: "last" }),
  hopping: (random) => ({
    window: random.pick([
      { hopping: "20s", every: "5s" },
      { hopping: "10m", every: "1m" },
      { hopping: "2m", every: "2m" },
    ]),
  }),
  sliding: (random) => ({ window: { sliding: random.pick(["9s", "1m", "5m"]) } }),
  session: (random) => ({ window: { session: random.pick(["4s", "30s"]) } }),
  count: (random) => ({ window: { count: random.pick([1, 7, 100]) } }),
  "overlapping count": (random) => ({ window: { count: 10, step: random.pick([1, 4, 10]) } }),
};

export const KINDS = Object.keys(WINDOWS);

const NUMERIC = [
  ...["sum", "avg", "min", "max", "range", "first", "last", "delta", "delta_percent", "rate", "rate(1h)"],
  ...["variance", "stddev", "median", "p5", "p95", "p99.9", "distinct", "count_if(> 20)"],
];
const COURSE = [
  ...["time_avg", "duration(> 20)", "duration(between 10 and 20)", "integral(1h)", "integral(> 20, 1m)", "mkt"],
  ...["increase", "counter_rate", "counter_rate(1m)", "changes", "transitions(* -> 1)"],
];
const TEXTUAL = [
  ...["last", "distinct", "changes", "duration(open)", "duration(!= open)", "transitions(open -> ajar)"],
  ...["transitions(* -> open)", "count_if(== open)"],
];

/** Values of many kinds of sensors. The squares of the greatest ones are still numbers. */
const VALUES: Readonly<Record<string, (random: Random, i: number) => ReadingValue>> = {
  degrees: (random) => random.whole(-200, 800) / 8,
  "narrow band": (random) => 50 + (random.next() - 0.5) / 5,
  tiny: (random) => random.next() * 1e-13,
  huge: (random) => (random.next() - 0.3) * 1e150,
  "small noise": (random) => 1e9 + random.whole(-8, 8) / 8,
  "wide range": (random) => 10 ** (random.next() * 12 - 6),
  constant: () => 1013.25,
  counter: (random, i) => (i % random.pick([50, 60]) === 0 ? 0 : (i % 50) * 3 + random.whole(0, 2)),
  seldom: (random) => random.pick([1, 1, 1, 1, 5]),
  booleans: (random) => random.chance(0.5),
};

export function caseOf(seed: number): Case {
  const random = new Random(seed);
  const kind = random.pick(KINDS);
  const isTextual = random.chance(0.2);
  const family = random.pick(Object.keys(VALUES));
  const value = isTextual ? () => random.pick(["open", "closed", "ajar"]) : VALUES[family];
  const latenessS = random.pick([0, 5, 20]);
  // Kelvins of a value below absolute zero, or of a huge one, are not temperatures.
  const numeric = ["tiny", "huge"].includes(family) ? NUMERIC : [...NUMERIC, ...COURSE];
  const aggregates = (isTextual ? TEXTUAL : numeric).filter(() => random.chance(0.3));
  const spec = ruleSpecSchema.parse({
    id: "r",
    ...WINDOWS[kind]?.(random),
    lateness: `${latenessS}s`,
    aggregate: ["count", ...aggregates],
    ...(random.chance(0.3) && { carry: random.pick(["2s", "30s"]) }),
    ...(random.chance(0.3) && { max_value: random.pick([100, 149]) }),
  });
  // Windows are retained for two sizes, of 4 s at least. Count windows and filled ones do not correct all that follows.
  const delayS = kind.endsWith("count") || kind === "filled" ? latenessS : latenessS + 4;
  const readings = makeReadings(random, delayS, (i) => value?.(random, i) ?? 0);
  return { kind, spec, readings };
}

function makeReadings(random: Random, delayS: number, nextValue: (i: number) => ReadingValue): Reading[] {
  const count = random.pick([20, 150, 600]);
  const isLate = random.pick([0, 0.02, 0.3]);
  const arrivals: { readonly afterUs: number; readonly reading: Reading }[] = [];
  let atUs = BEGIN_US;
  for (let i = 0; i < count; i++) {
    atUs += random.chance(0.02) ? random.whole(5, 90) * SECOND_US : random.whole(1, 2_500_000);
    const lateUs = random.chance(isLate) ? random.next() * 0.99 * delayS * SECOND_US : 0;
    arrivals.push({
      afterUs: atUs + lateUs,
      reading: { device: "d", metric: "m", tags: {}, atUs, value: nextValue(i) },
    });
  }
  return arrivals.sort((a, b) => a.afterUs - b.afterUs).map(({ reading }) => reading);
}
