import { grown } from "../../domain/grown.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** The first columns of a key's cells: the newest observation time... */
export const NEWEST = 0;
/** ...and its arrival, in processing time. */
export const ARRIVED = 1;
export const WATERMARK = 2;
/** The watermark at which the next window closes, or at which the next reading enters its window; Infinity if none. */
export const NEXT = 3;
/** The owner's columns start here. */
export const OWN = 4;

/** ADR 13. The event clocks of many keys in one flat array, next to the owner's columns. */
export class KeyClocks {
  readonly stride: number;
  cells: Float64Array = new Float64Array(0);
  readonly #latenessUs: number;
  #size = 0;

  /** `own`: the number of the owner's columns. */
  constructor(own: number, latenessUs: number) {
    this.stride = OWN + own;
    this.#latenessUs = latenessUs;
  }

  get size(): number {
    return this.#size;
  }

  /** Begins a key: the next number, or an earlier one again. The owner's columns start as Infinity. */
  begin(key: number): void {
    this.#size = Math.max(this.#size, key + 1);
    this.cells = grown(this.cells, this.#size * this.stride);
    const o = key * this.stride;
    this.cells.fill(Number.POSITIVE_INFINITY, o, o + this.stride);
    this.cells[o + NEWEST] = Number.NEGATIVE_INFINITY;
    this.cells[o + ARRIVED] = 0;
    this.cells[o + WATERMARK] = Number.NEGATIVE_INFINITY;
  }

  watermarkUs(key: number): number {
    return this.cells[key * this.stride + WATERMARK] as number;
  }

  /** The processing time at which the next window closes if no reading arrives. */
  idleDueUs(key: number): number {
    const { cells } = this;
    const o = key * this.stride;
    const waitUs = (cells[o + NEXT] as number) + this.#latenessUs - (cells[o + NEWEST] as number);
    return waitUs + (cells[o + ARRIVED] as number);
  }

  snapshot(to: SnapshotWriter): void {
    to.doubles(this.cells.subarray(0, this.#size * this.stride));
  }

  restore(from: SnapshotReader): void {
    this.cells = from.doubles();
    this.#size = this.cells.length / this.stride;
  }
}
