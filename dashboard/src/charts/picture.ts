import type { SeriesAnswer } from "../../../contracts/history.ts";
import { medianIntervalUs } from "../lib/ranges.ts";
import type { RuleView } from "../lib/rules.ts";
import { lowerBound, type SeriesView } from "../lib/series-buffer.ts";
import type { WindowTrack } from "../store/window-track.ts";
import type { Spread, WindowBox } from "./overlays.ts";
import { type Extent, extentOf } from "./scale.ts";

/** The figures that describe a chart in words. */
export interface Figures {
  /** The drawn points: those in the range, and one on either side. */
  readonly points: number;
  readonly extent: Extent | undefined;
  /** Of all readings: a point that sums up many weighs as many. */
  readonly average: number | undefined;
  readonly last: number | undefined;
  readonly lastUs: number | undefined;
  /** How many readings the last value is the average of. */
  readonly lastCount: number;
}

export function figuresOf({ at, values, min, max, counts }: SeriesView, fromUs: number, toUs: number): Figures {
  const first = lowerBound(at, fromUs);
  const end = lowerBound(at, toUs + 1);
  let sum = 0;
  let readings = 0;
  for (let i = first; i < end; i++) {
    const count = counts[i] ?? 0;
    if (count > 0) sum += (values[i] ?? 0) * count;
    readings += count;
  }
  return {
    points: Math.min(at.length, end + 1) - Math.max(0, first - 1),
    extent: extentOf({ min, max }, first, end),
    average: readings > 0 ? sum / readings : undefined,
    last: values.at(-1),
    lastUs: at.at(-1),
    lastCount: counts.at(-1) ?? 0,
  };
}

/** The drawn points, in columns that each picture reuses. */
export interface Columns extends Spread {
  /** Milliseconds, as the chart library expects. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Covers the lowest and the highest reading, not only the drawn averages. */
  readonly extent: Extent | undefined;
  readonly usualStepUs: number | undefined;
}

/**
 * Cuts the points in view out of a series, and one on either side so that the line reaches the edges. It has room for
 * `slots` points from the start.
 */
export function createCutter(slots: number): (view: SeriesView, fromUs: number, toUs: number) => Columns {
  let [x, y, low, high, counts] = columnsOf(slots);
  return (view, fromUs, toUs) => {
    const { at, min, max } = view;
    const first = lowerBound(at, fromUs);
    const end = lowerBound(at, toUs + 1);
    const from = Math.max(0, first - 1);
    const to = Math.min(at.length, end + 1);
    const count = to - from;
    if (count > x.length) [x, y, low, high, counts] = columnsOf(count * 2);
    for (let i = 0; i < count; i++) x[i] = (at[from + i] ?? 0) / 1000;
    y.set(view.values.subarray(from, to));
    low.set(min.subarray(from, to));
    high.set(max.subarray(from, to));
    counts.set(view.counts.subarray(from, to));
    const usualStepUs = usualStepOf(at.subarray(from, to));
    return {
      x: x.subarray(0, count),
      y: y.subarray(0, count),
      low: low.subarray(0, count),
      high: high.subarray(0, count),
      counts: counts.subarray(0, count),
      extent: extentOf({ min, max }, first, end),
      usualStepUs,
    };
  };
}

function columnsOf(slots: number) {
  const column = () => new Float64Array(slots);
  return [column(), column(), column(), column(), column()] as const;
}

const STEPS_READ = 200;

/**
 * The usual time between two points. Points that the store summed up are further apart than the live ones after them.
 */
function usualStepOf(at: Float64Array): number | undefined {
  const oldest = medianIntervalUs(at.subarray(0, STEPS_READ));
  const newest = medianIntervalUs(at.subarray(-STEPS_READ));
  return oldest === undefined || newest === undefined ? newest : Math.max(oldest, newest);
}

/** The points in a span of the past. */
export function pastView(past: SeriesAnswer | undefined): SeriesView {
  return {
    at: Float64Array.from(past?.atUs ?? []),
    values: Float64Array.from(past?.avg ?? []),
    min: Float64Array.from(past?.min ?? []),
    max: Float64Array.from(past?.max ?? []),
    counts: Float64Array.from(past?.count ?? []),
  };
}

/** The rule whose windows are drawn: the first with a spread, otherwise the first. */
export function chooseWindowRule(rules: readonly RuleView[], tracks: readonly WindowTrack[]): RuleView | undefined {
  const drawn = rules.filter((rule) => tracks.some((track) => track.rule === rule.id));
  return drawn.find(hasSpread) ?? drawn[0];
}

export function hasSpread(rule: RuleView): boolean {
  return rule.aggregates.includes("min") && rule.aggregates.includes("max");
}

/** The aggregate drawn as a line: the one that the condition evaluates, otherwise the middle of the spread. */
export function lineAggregate(rule: RuleView): string | undefined {
  if (rule.when === "" && rule.aggregates.includes("avg")) return "avg";
  return rule.aggregates[0];
}

export function windowBoxes(
  track: WindowTrack | undefined,
  rule: RuleView | undefined,
  fromUs: number,
): readonly WindowBox[] {
  const boxes: WindowBox[] = [];
  for (const { startUs, endUs, aggregates } of track?.results ?? []) {
    const value = numberOf(aggregates[(rule && lineAggregate(rule)) ?? "avg"] ?? Object.values(aggregates)[0]);
    // A retracted result has no width, and some aggregates are texts or have no value.
    if (endUs < fromUs || endUs <= startUs || value === undefined) continue;
    boxes.push({
      startMs: startUs / 1000,
      endMs: endUs / 1000,
      value,
      min: numberOf(aggregates.min),
      max: numberOf(aggregates.max),
    });
  }
  return boxes;
}

function numberOf(value: number | string | null | undefined): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function withBoxes(extent: Extent | undefined, boxes: readonly WindowBox[]): Extent | undefined {
  let low = extent?.low ?? Infinity;
  let high = extent?.high ?? -Infinity;
  for (const { value, min, max } of boxes) {
    low = Math.min(low, min ?? value);
    high = Math.max(high, max ?? value);
  }
  return low <= high ? { low, high } : undefined;
}
