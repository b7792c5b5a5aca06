/** Values are counted in at most this many cells, so a cell is at most a 128th of their range wide. */
const CELLS_MAX = 256;

/**
 * Counts values in cells of one width, a power of two. It is the smallest width with which the cells from the least to
 * the greatest value are few enough, so it depends only on these two. When it grows, cells are joined in pairs. The
 * counts depend only on the values, not on their order.
 */
export class Grid {
  /** 0: all values are equal. */
  #width = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #cells = new Map<number, number>();

  add(value: number, count: number): void {
    if (value < this.#min || value > this.#max) this.#cover(Math.min(value, this.#min), Math.max(value, this.#max));
    addCount(this.#cells, this.#cellOf(value), count);
  }

  merge(other: Grid): void {
    if (other.#cells.size === 0) return;
    this.#cover(Math.min(other.#min, this.#min), Math.max(other.#max, this.#max));
    for (const [cell, count] of other.#cells) {
      const value = other.#width === 0 ? other.#min : cell * other.#width;
      // A cell begins where one of its values could be, and lies within one cell of a greater width.
      addCount(this.#cells, this.#cellOf(value), count);
    }
  }

  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  /** The bounds of the value at a place in order, from 0. */
  boundsAt(place: number): readonly [number, number] {
    let passed = 0;
    for (const [cell, count] of [...this.#cells].sort((a, b) => a[0] - b[0])) {
      passed += count;
      if (passed <= place) continue;
      if (this.#width === 0) break;
      return [Math.max(this.#min, cell * this.#width), Math.min(this.#max, (cell + 1) * this.#width)];
    }
    return [this.#min, this.#max];
  }

  snapshot(): GridSnapshot {
    const cells = [...this.#cells].sort((a, b) => a[0] - b[0]).flat();
    return { width: this.#width, min: this.#min, max: this.#max, cells };
  }

  static restore({ width, min, max, cells }: GridSnapshot): Grid {
    const grid = new Grid();
    grid.#width = width;
    grid.#min = min;
    grid.#max = max;
    for (let i = 0; i < cells.length; i += 2) grid.#cells.set(cells[i] as number, cells[i + 1] as number);
    return grid;
  }

  #cellOf(value: number): number {
    return this.#width === 0 ? 0 : Math.floor(value / this.#width);
  }

  #cover(min: number, max: number): void {
    const width = widthFor(min, max);
    if (width !== this.#width && this.#cells.size > 0) {
      const cells = new Map<number, number>();
      for (const [cell, count] of this.#cells) {
        addCount(cells, Math.floor((this.#width === 0 ? this.#min : cell * this.#width) / width), count);
      }
      this.#cells = cells;
    }
    this.#width = width;
    this.#min = min;
    this.#max = max;
  }
}

export interface GridSnapshot {
  readonly width: number;
  readonly min: number;
  readonly max: number;
  /** Alternating: cell, count, cell, count... */
  readonly cells: readonly number[];
}

export function addCount(counts: Map<number, number>, key: number, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function widthFor(min: number, max: number): number {
  // Halves, because the range of the greatest numbers is infinite.
  const half = max / 2 - min / 2;
  if (max === min) return 0;
  // Clearly too small, but for the smallest numbers, of which there are few.
  let width = Math.max(2 ** (Math.floor(Math.log2(half)) - 8), 2 ** -1074);
  while (Math.floor(max / width) - Math.floor(min / width) >= CELLS_MAX) width *= 2;
  return width;
}
