import type { Reading } from "../../domain/reading.ts";

/** When every simulated world begins. */
export const BEGIN_US = 1_763_769_600_000_000;
export const PARTITIONS = 2;
export const PROCESSORS = 3;

/** Readings that an edge appends together. */
export interface Production {
  readonly atUs: number;
  readonly readings: readonly Reading[];
}
