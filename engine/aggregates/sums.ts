/**
 * A sum as two numbers: the sum, and what its rounding lost (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
 * Summation endlicher Summen", 1974). When the sum of great numbers would be infinite, though the whole may not be, the
 * first number is divided by `SCALE`, and the second is NaN.
 */
export interface Sum {
  readonly sum: number;
  readonly rest: number;
}

/** A power of two, so that dividing by it loses nothing. As many numbers as there can be do not reach it. */
const SCALE = 2 ** 64;

/** Adds two sums where one is scaled, or where the plain sum is infinite. */
export function addGreat(a: Sum, b: Sum): Sum {
  return { sum: scaled(a) + scaled(b), rest: Number.NaN };
}

export function sumOf({ sum, rest }: Sum): number {
  return Number.isNaN(rest) ? sum * SCALE : sum + rest;
}

/** The mean, rounded. */
export function meanOf({ sum, rest }: Sum, count: number): number {
  return Number.isNaN(rest) ? (sum / count) * SCALE : (sum + rest) / count;
}

/** What a value adds to the sum of squared distances from the mean. `count`: with the value. */
export function addedMoment(value: number, before: Sum, after: Sum, count: number): number {
  if (count === 1) return 0;
  const fromBefore = value - meanOf(before, count - 1) - meanRest(before, count - 1);
  return fromBefore * (value - meanOf(after, count) - meanRest(after, count));
}

/** What merging adds to the sums of squared distances from both means. */
export function mergedMoment(a: Sum, countA: number, b: Sum, countB: number): number {
  // Without values there is no mean, and one set keeps its moment exactly.
  if (countA === 0) return 0;
  const delta = meanOf(b, countB) - meanOf(a, countA) + (meanRest(b, countB) - meanRest(a, countA));
  return (delta * delta * countA * countB) / (countA + countB);
}

/** What the rounding of the mean lost. */
function meanRest({ sum, rest }: Sum, count: number): number {
  const mean = (sum + rest) / count;
  const product = mean * count;
  const lost = (sum - product - productRest(mean, count, product) + rest) / count;
  // The mean is too great to be split, or the sum is scaled.
  return Number.isFinite(lost) ? lost : 0;
}

/** What the rounding of a product lost (Dekker, "A floating-point technique for extending the available precision", 1971). */
function productRest(a: number, b: number, product: number): number {
  const highA = upper(a);
  const highB = upper(b);
  const lowA = a - highA;
  const lowB = b - highB;
  return lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB);
}

/** The upper half of a number's digits. */
function upper(a: number): number {
  const spread = a * 134_217_729;
  return spread - (spread - a);
}

function scaled({ sum, rest }: Sum): number {
  return Number.isNaN(rest) ? sum : sum / SCALE + rest / SCALE;
}
