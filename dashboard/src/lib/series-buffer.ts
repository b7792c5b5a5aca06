export interface SeriesView {
  readonly at: Float64Array;
  readonly values: Float64Array;
}

const FIRST_SLOTS = 32;
/** The room for points, as a multiple of the capacity. With more room, the columns move to their front less often. */
const SLACK = 1.25;

/**
 * The newest points of one series, oldest first, in two flat columns that a chart can draw without copying. Holds at
 * most `capacity` points; `dropped` counts the older ones that it discarded.
 */
export class SeriesBuffer {
  readonly capacity: number;
  dropped = 0;
  /** Counts all changes except a new point at the newer end. */
  rewrites = 0;
  #at: Float64Array<ArrayBuffer>;
  #values: Float64Array<ArrayBuffer>;
  readonly #slotsMax: number;
  #start = 0;
  #end = 0;

  /** `reserve` allocates all room at once. For series that are sure to fill: their memory never grows later. */
  constructor(capacity: number, { reserve = false }: { readonly reserve?: boolean } = {}) {
    this.capacity = capacity;
    this.#slotsMax = Math.ceil(capacity * SLACK) + 2;
    const slots = reserve ? this.#slotsMax : Math.min(FIRST_SLOTS, this.#slotsMax);
    this.#at = new Float64Array(slots);
    this.#values = new Float64Array(slots);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Time of the newest point; -Infinity without points. */
  get newest(): number {
    return this.length === 0 ? -Infinity : (this.#at[this.#end - 1] ?? -Infinity);
  }

  /** Time of the oldest point; Infinity without points. */
  get oldest(): number {
    return this.length === 0 ? Infinity : (this.#at[this.#start] ?? Infinity);
  }

  /** Replaces the point at the same time, and inserts a late point at its place. Returns whether anything changed. */
  push(at: number, value: number): boolean {
    if (at > this.newest) {
      this.#reserve();
      this.#at[this.#end] = at;
      this.#values[this.#end] = value;
      this.#end++;
    } else {
      const index = this.#start + lowerBound(this.view().at, at);
      if (this.#at[index] === at) {
        if (this.#values[index] === value) return false;
        this.#values[index] = value;
        this.rewrites++;
        return true;
      }
      if (index === this.#start && this.length >= this.capacity) {
        this.dropped++;
        return false;
      }
      const position = index - this.#start;
      this.rewrites++;
      this.#reserve();
      const slot = this.#start + position;
      this.#at.copyWithin(slot + 1, slot, this.#end);
      this.#values.copyWithin(slot + 1, slot, this.#end);
      this.#at[slot] = at;
      this.#values[slot] = value;
      this.#end++;
    }
    if (this.length > this.capacity) {
      this.#start++;
      this.dropped++;
    }
    return true;
  }

  /** The columns, valid until the next `push`. */
  view(): SeriesView {
    return {
      at: this.#at.subarray(this.#start, this.#end),
      values: this.#values.subarray(this.#start, this.#end),
    };
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.dropped = 0;
    this.rewrites++;
  }

  /** Makes room for one point: moves the columns to their front, or doubles their size up to the limit. */
  #reserve(): void {
    if (this.#end < this.#at.length) return;
    const { at, values } = this.view();
    const length = this.length;
    if (length * SLACK > this.#at.length - 2 && this.#at.length < this.#slotsMax) {
      const slots = Math.min(this.#at.length * 2, this.#slotsMax);
      this.#at = withRoom(at, slots);
      this.#values = withRoom(values, slots);
    } else {
      this.#at.copyWithin(0, this.#start, this.#end);
      this.#values.copyWithin(0, this.#start, this.#end);
    }
    this.#start = 0;
    this.#end = length;
  }
}

function withRoom(column: Float64Array, slots: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(slots);
  larger.set(column);
  return larger;
}

/** The first index whose value is at least `at`. */
export function lowerBound(column: ArrayLike<number>, at: number): number {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((column[middle] ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
