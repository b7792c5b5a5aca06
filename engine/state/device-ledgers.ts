import { grown } from "../../domain/grown.ts";
import type { SnapshotReader, SnapshotWriter } from "./snapshot-io.ts";

/** Counts of what happened to the readings that a rule reads. */
export interface Ledger {
  readonly onTime: number;
  readonly lateApplied: number;
  readonly lateDropped: number;
  readonly duplicates: number;
  /** How many of the readings above had a clock that was ahead. */
  readonly clockAhead: number;
}

export const LATE_DROPPED_COUNT = 0;
export const ON_TIME_COUNT = 1;
export const LATE_APPLIED_COUNT = 2;
export const DUPLICATE_COUNT = 3;
export const CLOCK_AHEAD_COUNT = 4;
const STRIDE = 5;
const DEVICES_PER_PAUSE = 5_000;
/** A ledger's figures as JSON, with their names. */
const FIGURES_CHARACTERS = 120;

/** One ledger per device (`deviceKey`), in one flat array. */
export class DeviceLedgers {
  readonly #devices: string[] = [];
  readonly #placeOf = new Map<string, number>();
  #counts: Float64Array = new Float64Array(0);
  readonly #total = new Float64Array(STRIDE);
  /** Devices with a count other than `onTime` that `takeChanged` has not returned yet. */
  readonly #changed = new Set<number>();

  /** The index of a device's ledger; adds one if the device is new. */
  placeOf(device: string): number {
    const known = this.#placeOf.get(device);
    if (known !== undefined) return known;
    const place = this.#devices.push(device) - 1;
    this.#placeOf.set(device, place);
    this.#counts = grown(this.#counts, (place + 1) * STRIDE);
    return place;
  }

  count(place: number, what: number): void {
    const o = place * STRIDE + what;
    this.#counts[o] = (this.#counts[o] as number) + 1;
    this.#total[what] = (this.#total[what] as number) + 1;
    if (what !== ON_TIME_COUNT) this.#changed.add(place);
  }

  get total(): Ledger {
    return ledgerAt(this.#total, 0);
  }

  of(device: string): Ledger | undefined {
    const place = this.#placeOf.get(device);
    return place === undefined ? undefined : ledgerAt(this.#counts, place * STRIDE);
  }

  /**
   * The ledgers whose counts, other than `onTime`, have changed since they were last returned: about as many as fit
   * into `charactersMax` of text.
   */
  takeChanged(charactersMax: number): Map<string, Ledger> {
    const changed = new Map<string, Ledger>();
    let characters = 0;
    for (const place of this.#changed) {
      const device = this.#devices[place] ?? "";
      characters += device.length + FIGURES_CHARACTERS;
      if (changed.size > 0 && characters > charactersMax) break;
      changed.set(device, ledgerAt(this.#counts, place * STRIDE));
      this.#changed.delete(place);
    }
    return changed;
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    to.number(this.#devices.length);
    for (const [i, device] of this.#devices.entries()) {
      to.text(device);
      if (i % DEVICES_PER_PAUSE === 0) yield;
    }
    to.doubles(this.#counts.subarray(0, this.#devices.length * STRIDE));
    to.doubles(this.#total);
  }

  restore(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) this.placeOf(from.text());
    this.#counts.set(from.doubles());
    this.#total.set(from.doubles());
  }
}

function ledgerAt(counts: Float64Array, o: number): Ledger {
  return {
    onTime: counts[o + ON_TIME_COUNT] ?? 0,
    lateApplied: counts[o + LATE_APPLIED_COUNT] ?? 0,
    lateDropped: counts[o + LATE_DROPPED_COUNT] ?? 0,
    duplicates: counts[o + DUPLICATE_COUNT] ?? 0,
    clockAhead: counts[o + CLOCK_AHEAD_COUNT] ?? 0,
  };
}
