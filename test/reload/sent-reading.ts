import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

/** A reading as its device sent it. */
export interface SentReading {
  readonly device: number;
  readonly atUs: number;
  readonly value: number;
  /** From sending to acknowledgement; NaN when none arrived. */
  readonly latencyMs: number;
}

const FIELDS = 4;
export const DEVICES_PER_SITE = 10;

export function deviceName(device: number): string {
  return `d${device}`;
}

export function siteOf(device: number): string {
  return `s${Math.floor(device / DEVICES_PER_SITE)}`;
}

/** Readings in columns of numbers: a run has more than a million. */
export class SentReadings {
  #columns = new Float64Array(FIELDS * 65_536);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(device: number, atUs: number, value: number): number {
    const at = this.#count * FIELDS;
    if (at === this.#columns.length) {
      const more = new Float64Array(at * 2);
      more.set(this.#columns);
      this.#columns = more;
    }
    this.#columns.set([device, atUs, value, Number.NaN], at);
    return this.#count++;
  }

  acknowledged(index: number, atUs: number): void {
    const at = index * FIELDS;
    this.#columns[at + 3] = (atUs - (this.#columns[at + 1] ?? 0)) / 1_000;
  }

  save(file: string): void {
    writeFileSync(file, new Uint8Array(this.#columns.buffer, 0, this.#count * FIELDS * 8));
  }

  static async load(file: string): Promise<SentReadings> {
    const bytes = await readFile(file);
    const readings = new SentReadings();
    readings.#columns = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    readings.#count = readings.#columns.length / FIELDS;
    return readings;
  }

  *[Symbol.iterator](): Generator<SentReading> {
    for (let i = 0; i < this.#count; i++) {
      const [device = 0, atUs = 0, value = 0, latencyMs = 0] = this.#columns.subarray(i * FIELDS, (i + 1) * FIELDS);
      yield { device, atUs, value, latencyMs };
    }
  }
}
