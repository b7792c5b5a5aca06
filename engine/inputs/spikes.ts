import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

const READINGS = 10;
/** With fewer readings before it, none is a spike. */
const READINGS_MIN = 5;
/** The standard deviation of a normal distribution over its median absolute deviation. */
const SIGMA_OVER_MAD = 1.4826;

export interface HampelLimits {
  /** How many standard deviations a spike is away from the median. */
  readonly sigmas: number;
  /** How far it is away at least. Otherwise, after equal values, any other one would be a spike. */
  readonly at_least: number;
}

/**
 * Recognizes spikes by the readings of the key that arrived before (a causal Hampel filter: Hampel, "The influence
 * curve and its role in robust estimation", 1974). Spikes are remembered, too, so that a new level is soon no spike.
 */
export class Spikes {
  readonly #limits: HampelLimits;
  readonly #values: number[][] = [];

  constructor(limits: HampelLimits) {
    this.#limits = limits;
  }

  /** Whether a value is a spike. Remembers it. */
  isSpike(key: number, value: number): boolean {
    this.#values[key] ??= [];
    const values = this.#values[key];
    const isSpike = values.length >= READINGS_MIN && this.#isFar(value, values);
    values.push(value);
    if (values.length > READINGS) values.shift();
    return isSpike;
  }

  forget(key: number): void {
    this.#values[key] = [];
  }

  snapshot(to: SnapshotWriter, keys: number): void {
    for (let key = 0; key < keys; key++) to.value(this.#values[key] ?? []);
  }

  restore(from: SnapshotReader, keys: number): void {
    while (this.#values.length < keys) this.#values.push(from.value<number[]>());
  }

  #isFar(value: number, values: readonly number[]): boolean {
    const median = medianOf(values);
    const deviation = medianOf(values.map((each) => Math.abs(each - median)));
    const { sigmas, at_least } = this.#limits;
    return Math.abs(value - median) > Math.max(at_least, sigmas * SIGMA_OVER_MAD * deviation);
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const above = sorted[middle] as number;
  return sorted.length % 2 === 1 ? above : above / 2 + (sorted[middle - 1] as number) / 2;
}
