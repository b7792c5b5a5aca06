import type { ReadingsEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { kindOf, type ReadingValue, type Tags } from "../../domain/reading.ts";

const CAPACITY_AT_FIRST = 512;

/** Collects readings into an entry like those of the log, without encoding it. Reuse one batch for many entries. */
export class ColumnBatch {
  readonly #table: SeriesTable;
  /** By tags (the object), device, and metric with kind. A cache: the table knows equal series by their names. */
  readonly #ids = new Map<Tags, Map<string, Map<string, number>>>();
  #seriesId = new Uint32Array(CAPACITY_AT_FIRST);
  #atUs = new Float64Array(CAPACITY_AT_FIRST);
  #values = new Float64Array(CAPACITY_AT_FIRST);
  #texts: string[] = [];
  #count = 0;

  constructor(table: SeriesTable) {
    this.#table = table;
  }

  get count(): number {
    return this.#count;
  }

  /** Pass the same object for the same tags where possible: each is kept. */
  add(device: string, metric: string, tags: Tags, atUs: number, value: ReadingValue): void {
    const kind = kindOf(value);
    const name = kind === "number" ? metric : `${metric}\u0000${kind}`;
    let devices = this.#ids.get(tags);
    if (devices === undefined) {
      devices = new Map();
      this.#ids.set(tags, devices);
    }
    let metrics = devices.get(device);
    if (metrics === undefined) {
      metrics = new Map();
      devices.set(device, metrics);
    }
    let id = metrics.get(name);
    if (id === undefined) {
      id = this.#table.idOf({ device, metric, tags, kind });
      metrics.set(name, id);
    }
    this.addTo(id, atUs, value);
  }

  /** `id`: from the table. The series must have the value's kind. */
  addTo(id: number, atUs: number, value: ReadingValue): void {
    if (this.#count === this.#seriesId.length) this.#grow();
    const i = this.#count++;
    this.#seriesId[i] = id;
    this.#atUs[i] = atUs;
    this.#values[i] = typeof value === "string" ? this.#texts.push(value) - 1 : Number(value);
  }

  /** The readings since the last call. Valid until the next `add`. */
  finish(receivedAtUs: number): ReadingsEntry {
    const entry: ReadingsEntry = {
      kind: "readings",
      count: this.#count,
      receivedAtUs,
      seriesId: this.#seriesId,
      atUs: this.#atUs,
      values: this.#values,
      texts: this.#texts,
      clockAhead: [],
    };
    this.#count = 0;
    this.#texts = [];
    return entry;
  }

  #grow(): void {
    const capacity = this.#count * 2;
    const seriesId = new Uint32Array(capacity);
    seriesId.set(this.#seriesId);
    this.#seriesId = seriesId;
    const atUs = new Float64Array(capacity);
    atUs.set(this.#atUs);
    this.#atUs = atUs;
    const values = new Float64Array(capacity);
    values.set(this.#values);
    this.#values = values;
  }
}
