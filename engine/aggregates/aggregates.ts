import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import type { Accumulators } from "./accumulators.ts";
import { Distinct } from "./distinct.ts";
import { Quantiles } from "./quantiles.ts";
import type { StateGroup } from "./state-groups.ts";
import { States } from "./states.ts";

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
  /** NaN if there is no value. */
  value(windows: Accumulators, record: number, aggregate: A, span: Span): number | string;
}

const SUM = { state: [], held: 0 } as const;
const VALUE = { state: [], held: "value" } as const;
const ENDS = { state: ["ends"], held: 0 } as const;
const MOMENTS = { state: ["moments"], held: 0 } as const;

/**
 * How each aggregate is computed: the state it needs, and how to read its value. The meaning and the syntax of
 * aggregates are in rule-language/aggregates. Updating, merging and saving state is in accumulators.ts (columns) and
 * state-groups.ts (objects).
 */
const AGGREGATES: { readonly [K in Kind]: Definition<OfKind<K>> } = {
  count: { ...SUM, value: (windows, record) => windows.count(record) },
  sum: { ...SUM, value: (windows, record) => windows.sum(record) },
  avg: { ...VALUE, value: (windows, record) => windows.sum(record) / windows.count(record) },
  min: { ...VALUE, value: (windows, record) => windows.min(record) },
  max: { ...VALUE, value: (windows, record) => windows.max(record) },
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
    state: ["states", "ends"],
    held: "computed",
    value: (windows, record, { state }, span) => windows.object(record, States)?.secondsIn(state, span) ?? 0,
  },
};

export function stateOf({ kind }: Aggregate): readonly StateGroup[] {
  return AGGREGATES[kind].state;
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
  return (windows, record, span) => {
    if (held === "computed" || windows.count(record) > 0) return definition.value(windows, record, aggregate, span);
    const prior = windows.prior(record);
    if (prior === undefined) return Number.NaN;
    return held === "value" ? prior : held;
  };
}
