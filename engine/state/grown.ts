/** The doubles, or a longer copy of them with room for so many; new places hold `fill`. */
export function grown(doubles: Float64Array, needed: number, fill = 0): Float64Array {
  if (needed <= doubles.length) return doubles;
  const more = new Float64Array(Math.max(needed, Math.ceil(doubles.length * 1.5)));
  more.set(doubles);
  if (fill !== 0) more.fill(fill, doubles.length);
  return more;
}
