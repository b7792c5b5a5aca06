import type { Accumulators } from "../aggregates/accumulators.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** Hands out records of accumulators and reuses released ones. Record 0 is scratch space for merged results. */
export class RecordPool {
  readonly accumulators: Accumulators;
  #size = 1;
  #free: number[] = [];

  constructor(accumulators: Accumulators) {
    this.accumulators = accumulators;
  }

  /** Returns a cleared record. */
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
    // Also frees the record's objects.
    this.accumulators.clear(record, 0);
    this.#free.push(record);
  }

  /** Continues with records that the accumulators hold already: all below `size`, of which some are free. */
  adopt(size: number, free: Iterable<number>): void {
    this.#size = size;
    this.#free = [...free];
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
