import type { Threshold } from "../lib/condition.ts";

export interface Extent {
  readonly low: number;
  readonly high: number;
}

/** The lowest and highest value between two indexes; undefined without values. */
export function extentOf(
  { min, max }: { readonly min: ArrayLike<number>; readonly max: ArrayLike<number> },
  from: number,
  to: number,
): Extent | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (let i = from; i < to; i++) {
    const [lowest, highest] = [min[i] ?? Number.NaN, max[i] ?? Number.NaN];
    if (lowest < low) low = lowest;
    if (highest > high) high = highest;
  }
  return low <= high ? { low, high } : undefined;
}

/** A threshold stays outside the picture if its distance exceeds this share of the data's span. */
const REACH = 1.2;

/**
 * The range of the vertical axis covers the data and nearby thresholds. It ends on round numbers with some room, so
 * that the axis does not move with every value.
 */
export function axisRange(data: Extent | undefined, thresholds: readonly Threshold[]): [number, number] {
  if (data === undefined) return [0, 1];
  let { low, high } = data;
  const reach = Math.max(high - low, Math.abs(high) * 0.1, 1e-9) * REACH;
  for (const { value } of thresholds) {
    if (value > high && value - data.high <= reach) high = value;
    if (value < low && data.low - value <= reach) low = value;
  }
  if (low === high) {
    const around = Math.abs(low) * 0.1 || 1;
    low -= around;
    high += around;
  }
  const step = niceStep((high - low) / 4);
  const floor = Math.floor((low - step * 0.15) / step) * step;
  const ceiling = Math.ceil((high + step * 0.15) / step) * step;
  // Data without negative values gets no axis below zero.
  return [data.low >= 0 && floor < 0 ? 0 : clean(floor), clean(ceiling)];
}

/** Rounds up to 1, 2, 2.5 or 5 times a power of ten. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  const step = [1, 2, 2.5, 5, 10].find((one) => share <= one + 1e-9) ?? 10;
  return step * power;
}

function clean(value: number): number {
  return Number(value.toPrecision(12));
}

/** A time without readings is a gap from this many usual steps on. */
export const GAP_STEPS = 6;

/** The two indexes around each gap. */
export function findGaps(
  at: ArrayLike<number>,
  usual: number | undefined,
  from: number,
  to: number,
): [number, number][] {
  const gaps: [number, number][] = [];
  if (usual === undefined) return gaps;
  for (let i = Math.max(from, 1); i <= to && i < at.length; i++) {
    if ((at[i] ?? 0) - (at[i - 1] ?? 0) > usual * GAP_STEPS) gaps.push([i - 1, i]);
  }
  return gaps;
}
