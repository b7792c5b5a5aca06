import type { Accumulators } from "../aggregates/accumulators.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** Hands out the records of accumulators, freed ones again. Record 0 is kept for results that are merged in passing. */
export class RecordPool {
  readonly accumulators: Accumulators;
  #size = 1;
  #free: number[] = [];

  constructor(accumulators: Accumulators) {
    this.accumulators = accumulators;
  }

  /** A cleared record. */
  take(): number {
    let record = this.#free.pop();
    if (record === undefined) {
      record = this.#size++;
      this.accumulators.reserve(this.#size);
    }
    this.accumulators.clear(record, 0);
    return record;
  }

  release(record: number): void {
    // Lets go of what hangs on it.
    this.accumulators.clear(record, 0);
    this.#free.push(record);
  }

  *snapshot(to: SnapshotWriter): Iterable<undefined> {
    this.accumulators.reserve(this.#size);
    to.number(this.#size);
    yield* this.accumulators.snapshot(to, this.#size);
    to.doubles(Float64Array.from(this.#free));
  }

  restore(from: SnapshotReader): void {
    this.#size = from.number();
    this.accumulators.restore(from);
    this.#free = [...from.doubles()];
  }
}
