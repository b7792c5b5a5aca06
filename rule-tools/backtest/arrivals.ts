import type { SeriesTable } from "../../domain/frame-reader.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { RecordedEntry } from "./backtest.ts";
import { ColumnBatch } from "./column-batch.ts";

/**
 * The assumed arrival of readings that have only an observation time. `observed`: at that time, or at the newest
 * earlier time in the recording if that is later. `at-once`: all at one instant, as in a replay at full speed.
 */
export type Arrival = "observed" | "at-once";

/** Ticks at this interval leave no time unwatched. */
const TICK_US = 30_000_000;
/** A pause with more ticks would span centuries. */
const TICKS_MAX = 100_000_000;
const ENTRY_READINGS_MAX = 4_096;

export interface ArrivalsOptions {
  readonly table: SeriesTable;
  readonly arrival: Arrival;
  /**
   * Whether to add ticks where readings are more than 30 s apart, so that absences are detected as by a gateway that
   * was always running.
   */
  readonly watched: boolean;
}

/** Makes entries like those in the log of one partition, from readings that have only observation times. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #batch: ColumnBatch;
  #nowUs = Number.NEGATIVE_INFINITY;
  #sequence = 0;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
    this.#batch = new ColumnBatch(options.table);
  }

  /** Whether to call `advance` before adding a reading with this time. */
  mustAdvance(atUs: number): boolean {
    const isLater = this.#options.arrival === "observed" ? atUs > this.#nowUs : !Number.isFinite(this.#nowUs);
    return isLater || this.#batch.count >= ENTRY_READINGS_MAX;
  }

  *advance(atUs: number): Iterable<readonly RecordedEntry[]> {
    yield* this.finish();
    if (!(atUs > this.#nowUs)) return;
    const isFirst = !Number.isFinite(this.#nowUs);
    if (this.#options.arrival === "at-once" && !isFirst) return;
    if (this.#options.watched && !isFirst) yield* this.#ticks(atUs);
    this.#nowUs = atUs;
  }

  /** Pass the same object for the same tags where possible: each is kept. */
  add(device: string, metric: string, tags: Tags, atUs: number, value: ReadingValue): void {
    this.#batch.add(device, metric, tags, atUs, value);
  }

  /** `id`: from the table. `value`: as in a ReadingsEntry, but with a text itself instead of its index. */
  addTo(id: number, atUs: number, value: number | string): void {
    this.#batch.addTo(id, atUs, value);
  }

  /** The readings since the last entry. Valid until the next reading is added. */
  *finish(): Iterable<readonly RecordedEntry[]> {
    if (this.#batch.count > 0)
      yield [{ entry: this.#batch.finish(this.#nowUs), position: this.#position(this.#nowUs) }];
  }

  *#ticks(toUs: number): Iterable<readonly RecordedEntry[]> {
    if ((toUs - this.#nowUs) / TICK_US > TICKS_MAX) return;
    let some: RecordedEntry[] = [];
    for (let atUs = this.#nowUs + TICK_US; atUs < toUs; atUs += TICK_US) {
      some.push({ entry: { kind: "tick" }, position: this.#position(atUs) });
      if (some.length < ENTRY_READINGS_MAX) continue;
      yield some;
      some = [];
    }
    if (some.length > 0) yield some;
  }

  #position(storedAtUs: number) {
    return { task: 0, sequence: ++this.#sequence, storedAtUs };
  }
}
