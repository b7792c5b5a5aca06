import type { SeriesTable } from "../../domain/frame-reader.ts";

const NONE: readonly number[] = [];

/**
 * Finds the series that differ only in the kind of their values. To a table they are different series, but readings
 * are identified without their kind.
 */
export class OtherKinds {
  readonly #table: SeriesTable;
  readonly #others = new Map<number, number[]>();
  /** By series: whether the table was searched for its other kinds. Series that come later find this one. */
  readonly #isSearched: boolean[] = [];

  constructor(table: SeriesTable) {
    this.#table = table;
  }

  othersOf(id: number): readonly number[] {
    if (this.#isSearched[id] !== true) this.#search(id);
    return this.#others.get(id) ?? NONE;
  }

  /** The id can belong to another series from now on. */
  forget(id: number): void {
    for (const other of this.othersOf(id)) {
      const others = this.#others.get(other)?.filter((each) => each !== id);
      if (others !== undefined) this.#others.set(other, others);
    }
    this.#others.delete(id);
    this.#isSearched[id] = false;
  }

  #search(id: number): void {
    this.#isSearched[id] = true;
    for (const other of this.#table.otherKinds(id)) {
      this.#add(id, other);
      this.#add(other, id);
    }
  }

  #add(id: number, other: number): void {
    const others = this.#others.get(id);
    if (others === undefined) this.#others.set(id, [other]);
    else if (!others.includes(other)) others.push(other);
  }
}
