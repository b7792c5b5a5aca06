import type { Device, Reading } from "../../domain/reading.ts";

/** When every simulated world starts: 2025-10-26T00:59:45Z, 15 seconds before clocks in Europe are set back. */
export const BEGIN_US = 1_761_440_385_000_000;
export const PARTITIONS = 2;
export const PROCESSORS = 3;

/** Readings that an edge appends together. */
export interface Production {
  readonly atUs: number;
  readonly readings: readonly Reading[];
}

/** An entry that says that devices are gone. */
export interface Departure {
  readonly atUs: number;
  readonly devices: readonly Device[];
}
