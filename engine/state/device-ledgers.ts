import { grown } from "../../domain/grown.ts";
import { LastHeard } from "./last-heard.ts";
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

/** How long a silent device is remembered. */
interface Patience {
  readonly nowUs: number;
  readonly forgetUs: number;
}

/** One ledger per device (`deviceKey`), in one flat array. */
export class DeviceLedgers {
  readonly #devices: (string | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #heard = new LastHeard();
  readonly #placeOf = new Map<string, number>();
  #counts: Float64Array = new Float64Array(0);
  readonly #total = new Float64Array(STRIDE);
  /** Devices with a count other than `onTime` that `takeChanged` has not returned yet. */
  readonly #changed = new Set<number>();

  /** The index of the device's ledger; adds one if the device is new or was silent for the forget time. */
  placeOf(device: string, { nowUs, forgetUs }: Patience): number {
    const known = this.#placeOf.get(device);
    if (known !== undefined && nowUs - this.#heard.heardUs(known) < forgetUs) return known;
    if (known !== undefined) this.#forget(known);
    return this.#add(device, nowUs);
  }

  count(place: number, what: number, nowUs: number): void {
    this.#heard.hear(place, nowUs);
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

  /** Drops some of the ledgers of devices that were silent for the forget time. */
  sweep({ nowUs, forgetUs }: Patience): void {
    for (const place of this.#heard.sweep(nowUs, forgetUs)) this.#forget(place);
  }

  /** Drops all of them. */
  sweepAll({ nowUs, forgetUs }: Patience): void {
    for (const place of this.#heard.sweepAll(nowUs, forgetUs)) this.#forget(place);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    const places = [...this.#placeOf.values()];
    const counts = new Float64Array(places.length * STRIDE);
    to.number(places.length);
    for (const [i, place] of places.entries()) {
      to.text(this.#devices[place] ?? "");
      counts.set(this.#counts.subarray(place * STRIDE, (place + 1) * STRIDE), i * STRIDE);
      if (i % DEVICES_PER_PAUSE === 0) yield;
    }
    to.doubles(counts);
    to.doubles(this.#total);
  }

  restore(from: SnapshotReader, nowUs: number): void {
    for (let left = from.number(); left > 0; left--) this.#add(from.text(), nowUs);
    this.#counts.set(from.doubles());
    this.#total.set(from.doubles());
  }

  snapshotLives(to: SnapshotWriter): void {
    to.doubles(Float64Array.from(this.#placeOf.values(), (place) => this.#heard.heardUs(place)));
  }

  restoreLives(from: SnapshotReader): void {
    for (const [place, heardUs] of from.doubles().entries()) this.#heard.hear(place, heardUs);
  }

  #add(device: string, nowUs: number): number {
    const place = this.#free.pop() ?? this.#devices.length;
    this.#devices[place] = device;
    this.#placeOf.set(device, place);
    this.#counts = grown(this.#counts, (place + 1) * STRIDE);
    this.#heard.reserve(place);
    this.#heard.hear(place, nowUs);
    return place;
  }

  #forget(place: number): void {
    this.#placeOf.delete(this.#devices[place] ?? "");
    this.#devices[place] = undefined;
    this.#counts.fill(0, place * STRIDE, (place + 1) * STRIDE);
    this.#changed.delete(place);
    this.#heard.free(place);
    this.#free.push(place);
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
