type Column = Float64Array | Uint32Array | Int32Array | Uint8Array;

/**
 * The column itself if it is long enough for `needed` elements, or a longer copy; new elements hold `fill`. A copy is
 * at least half as long again, so that adding elements one by one takes constant time for each.
 */
export function grown<B extends ArrayBufferLike>(
  column: Float64Array<B>,
  needed: number,
  fill?: number,
): Float64Array<B | ArrayBuffer>;
export function grown<B extends ArrayBufferLike>(
  column: Uint32Array<B>,
  needed: number,
  fill?: number,
): Uint32Array<B | ArrayBuffer>;
export function grown<B extends ArrayBufferLike>(
  column: Int32Array<B>,
  needed: number,
  fill?: number,
): Int32Array<B | ArrayBuffer>;
export function grown<B extends ArrayBufferLike>(
  column: Uint8Array<B>,
  needed: number,
  fill?: number,
): Uint8Array<B | ArrayBuffer>;
export function grown(column: Column, needed: number, fill = 0): Column {
  if (needed <= column.length) return column;
  const longer = emptyLike(column, Math.max(needed, Math.ceil(column.length * 1.5)));
  longer.set(column);
  if (fill !== 0) longer.fill(fill, column.length);
  return longer;
}

function emptyLike(column: Column, length: number): Column {
  if (column instanceof Float64Array) return new Float64Array(length);
  if (column instanceof Uint32Array) return new Uint32Array(length);
  if (column instanceof Int32Array) return new Int32Array(length);
  return new Uint8Array(length);
}
