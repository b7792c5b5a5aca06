import { US_PER_SECOND } from "../../domain/time.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Accumulators } from "./accumulators.ts";
import { Distinct } from "./distinct.ts";
import {
  CHANGES,
  excessOf,
  type Fold,
  INCREASE,
  KNOWN,
  kineticMean,
  moves,
  SPEED,
  STEPS,
  timeIn,
  timeWhere,
  VALUE,
} from "./folds.ts";
import { Quantiles } from "./quantiles.ts";
import type { StateGroup } from "./state-groups.ts";

type Kind = Aggregate["kind"];
type OfKind<K extends Kind> = Extract<Aggregate, { readonly kind: K }>;

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

interface Definition<A extends Aggregate> {
  /** The state it needs in addition to count, sum, min and max. */
  readonly state: readonly StateGroup[];
  /**
   * The value of a window that has no readings and repeats the last value (`fill: last`): that value, or this number.
   * `computed`: computed as for any other window.
   */
  readonly held: "value" | "computed" | number;
  /** Its sums over the course of values. Needs `states`. */
  folds?(aggregate: A): readonly Fold[];
  /** NaN if there is no value. `totals`: of its folds. */
  value(windows: Accumulators, record: number, aggregate: A, totals: readonly number[]): number | string;
}

const NO_FOLDS: readonly Fold[] = [];
const NOTHING: readonly number[] = [];
const SUM = { state: [], held: 0 } as const;
const REPEATED = { state: [], held: "value" } as const;
const ENDS = { state: ["ends"], held: 0 } as const;
const COURSE = { state: ["states", "ends"], held: "computed" } as const;
const STEPWISE = { state: ["states", "ends"], held: 0 } as const;
const MOMENTS = { state: ["moments"], held: 0 } as const;

/**
 * How each aggregate is computed: the state it needs, and how to read its value. The meaning and the syntax of
 * aggregates are in rule-language/aggregates. Updating, merging and saving state is in accumulators.ts (columns) and
 * state-groups.ts (objects).
 */
const AGGREGATES: { readonly [K in Kind]: Definition<OfKind<K>> } = {
  count: { ...SUM, value: (windows, record) => windows.count(record) },
  sum: { ...SUM, value: (windows, record) => windows.sum(record) },
  avg: { ...REPEATED, value: (windows, record) => windows.mean(record) },
  min: { ...REPEATED, value: (windows, record) => windows.min(record) },
  max: { ...REPEATED, value: (windows, record) => windows.max(record) },
  range: { ...SUM, value: (windows, record) => windows.max(record) - windows.min(record) },
  first: { ...ENDS, held: "value", value: (windows, record) => windows.first(record) },
  last: { ...ENDS, held: "value", value: (windows, record) => windows.last(record) },
  delta: { ...ENDS, value: (windows, record) => windows.lastNumber(record) - windows.firstNumber(record) },
  delta_percent: {
    ...ENDS,
    value(windows, record) {
      const first = windows.firstNumber(record);
      return first === 0 ? Number.NaN : (100 * (windows.lastNumber(record) - first)) / Math.abs(first);
    },
  },
  rate: {
    ...ENDS,
    value(windows, record, { perSeconds }) {
      const seconds = windows.endsApartUs(record) / 1e6;
      const delta = windows.lastNumber(record) - windows.firstNumber(record);
      return seconds > 0 ? (delta / seconds) * perSeconds : Number.NaN;
    },
  },
  variance: { ...MOMENTS, value: (windows, record) => windows.variance(record) },
  stddev: { ...MOMENTS, value: (windows, record) => Math.sqrt(windows.variance(record)) },
  count_if: { ...SUM, value: (windows, record, { name }) => windows.countIf(record, name) },
  quantile: {
    state: ["quantiles"],
    held: "value",
    value: (windows, record, { rank }) => windows.object(record, Quantiles)?.value(rank) ?? Number.NaN,
  },
  distinct: {
    state: ["distinct"],
    held: 1,
    value: (windows, record) => windows.object(record, Distinct)?.count ?? 0,
  },
  duration: {
    ...COURSE,
    folds: ({ name, condition, state }) => [condition === undefined ? timeIn(state) : timeWhere(condition, name)],
    value: (_windows, _record, _aggregate, [us = 0]) => us / US_PER_SECOND,
  },
  time_avg: {
    ...COURSE,
    folds: () => [VALUE, KNOWN],
    value: (_windows, _record, _aggregate, [sum = 0, us = 0]) => sum / us,
  },
  integral: {
    ...COURSE,
    folds: ({ name, condition }) => [condition === undefined ? VALUE : excessOf(condition, name), KNOWN],
    value: (_windows, _record, { unitUs }, [sum = 0, us = 0]) => (us === 0 ? Number.NaN : sum / unitUs),
  },
  mkt: {
    ...COURSE,
    folds: () => [SPEED, KNOWN],
    value: (_windows, _record, _aggregate, [sum = 0, us = 0]) => kineticMean(sum / us),
  },
  increase: {
    ...STEPWISE,
    folds: () => [INCREASE, STEPS],
    value: (_windows, _record, _aggregate, [increase = 0, steps = 0]) => (steps === 0 ? Number.NaN : increase),
  },
  counter_rate: {
    ...STEPWISE,
    folds: () => [INCREASE, STEPS],
    value(windows, record, { perSeconds }, [increase = 0, steps = 0]) {
      const seconds = windows.stepsUs(record) / US_PER_SECOND;
      return steps === 0 || seconds === 0 ? Number.NaN : (increase / seconds) * perSeconds;
    },
  },
  changes: {
    ...STEPWISE,
    folds: () => [CHANGES],
    value: (_windows, _record, _aggregate, [changes = 0]) => changes,
  },
  transitions: {
    ...STEPWISE,
    folds: ({ from, to }) => [moves(from, to)],
    value: (_windows, _record, _aggregate, [changes = 0]) => changes,
  },
};

export function stateOf({ kind }: Aggregate): readonly StateGroup[] {
  return AGGREGATES[kind].state;
}

/** The sums over the course of values that an aggregate needs. */
export function foldsOf(aggregate: Aggregate): readonly Fold[] {
  return foldsOfKind(aggregate.kind, aggregate);
}

function foldsOfKind<K extends Kind>(kind: K, aggregate: OfKind<K>): readonly Fold[] {
  const definition: Definition<OfKind<K>> = AGGREGATES[kind];
  return definition.folds?.(aggregate) ?? NO_FOLDS;
}

/** Reads an aggregate's value from a window's record. `span` is the span of the window. */
export type ReadValue = (windows: Accumulators, record: number, span: Span) => number | string;

/** Returns a reader for an aggregate. Create it once and use it for many windows. */
export function readerOf(aggregate: Aggregate): ReadValue {
  return readerOfKind(aggregate.kind, aggregate);
}

function readerOfKind<K extends Kind>(kind: K, aggregate: OfKind<K>): ReadValue {
  const definition: Definition<OfKind<K>> = AGGREGATES[kind];
  const { held } = definition;
  const folds = foldsOf(aggregate);
  return (windows, record, span) => {
    if (held === "computed" || windows.count(record) > 0) {
      const totals = folds.length === 0 ? NOTHING : folds.map((fold) => windows.total(record, fold, span));
      return definition.value(windows, record, aggregate, totals);
    }
    const prior = windows.prior(record);
    if (prior === undefined) return Number.NaN;
    return held === "value" ? prior : held;
  };
}
