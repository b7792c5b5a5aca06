export interface SeriesView {
  readonly at: Float64Array;
  /** A reading's value, or the average of the readings that a point sums up. */
  readonly values: Float64Array;
  /** The lowest and the highest reading behind each point. */
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** How many readings each point counts for; 0 for a reading that an earlier point counts already. */
  readonly counts: Float64Array;
}

/** Readings of a stretch of time as one point. */
export interface Bucket {
  readonly at: number;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

const FIRST_SLOTS = 32;
/** The room for points, as a multiple of the capacity. With more room, the columns move to their front less often. */
const SLACK = 1.25;

/**
 * The newest points of one series, oldest first, in flat columns that a chart can draw without copying. Holds at most
 * `capacity` points; `dropped` counts the older ones that it discarded.
 */
export class SeriesBuffer {
  readonly capacity: number;
  dropped = 0;
  /** Counts all changes except a new point at the newer end. */
  rewrites = 0;
  #at: Float64Array<ArrayBuffer>;
  #values: Float64Array<ArrayBuffer>;
  #min: Float64Array<ArrayBuffer>;
  #max: Float64Array<ArrayBuffer>;
  #counts: Float64Array<ArrayBuffer>;
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
    this.#min = new Float64Array(slots);
    this.#max = new Float64Array(slots);
    this.#counts = new Float64Array(slots);
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
    const slot = this.#slotFor(at);
    if (slot === -1) return false;
    if (this.#at[slot] === at && this.#values[slot] === value) return false;
    if (slot !== this.#end - 1 || this.#at[slot] === at) this.rewrites++;
    this.#at[slot] = at;
    this.#values[slot] = value;
    this.#min[slot] = value;
    this.#max[slot] = value;
    this.#counts[slot] = 1;
    this.#trim();
    return true;
  }

  /** As `push`, for several readings. */
  add({ at, value, min, max, count }: Bucket): void {
    const slot = this.#slotFor(at);
    if (slot === -1) return;
    this.rewrites++;
    this.#at[slot] = at;
    this.#values[slot] = value;
    this.#min[slot] = min;
    this.#max[slot] = max;
    this.#counts[slot] = count;
    this.#trim();
  }

  /** The columns, valid until the next change. */
  view(): SeriesView {
    return {
      at: this.#at.subarray(this.#start, this.#end),
      values: this.#values.subarray(this.#start, this.#end),
      min: this.#min.subarray(this.#start, this.#end),
      max: this.#max.subarray(this.#start, this.#end),
      counts: this.#counts.subarray(this.#start, this.#end),
    };
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.dropped = 0;
    this.rewrites++;
  }

  /** The slot of the point at this time, or a new slot at its place; -1 for a point older than a full buffer holds. */
  #slotFor(at: number): number {
    const length = this.length;
    const position = at > this.newest ? length : lowerBound(this.#at.subarray(this.#start, this.#end), at);
    if (position < length && this.#at[this.#start + position] === at) return this.#start + position;
    if (position === 0 && length >= this.capacity) {
      this.dropped++;
      return -1;
    }
    this.#reserve();
    const slot = this.#start + position;
    if (position < length) {
      for (const column of [this.#at, this.#values, this.#min, this.#max, this.#counts]) {
        column.copyWithin(slot + 1, slot, this.#end);
      }
    }
    // Not the time of another point.
    this.#at[slot] = Number.NaN;
    this.#end++;
    return slot;
  }

  #trim(): void {
    if (this.length <= this.capacity) return;
    this.#start++;
    this.dropped++;
  }

  /** Makes room for one point: moves the columns to their front, or doubles their size up to the limit. */
  #reserve(): void {
    if (this.#end < this.#at.length) return;
    const length = this.length;
    if (length * SLACK > this.#at.length - 2 && this.#at.length < this.#slotsMax) {
      const slots = Math.min(this.#at.length * 2, this.#slotsMax);
      const { at, values, min, max, counts } = this.view();
      this.#at = withRoom(at, slots);
      this.#values = withRoom(values, slots);
      this.#min = withRoom(min, slots);
      this.#max = withRoom(max, slots);
      this.#counts = withRoom(counts, slots);
    } else {
      for (const column of [this.#at, this.#values, this.#min, this.#max, this.#counts]) {
        column.copyWithin(0, this.#start, this.#end);
      }
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
