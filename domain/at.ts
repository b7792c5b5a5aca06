/** The element of an array at an index that must be in range. */
export function at<T>(array: ArrayLike<T>, index: number): T {
  const element = array[index];
  if (element === undefined) throw new RangeError(`index ${index} is outside an array of ${array.length}`);
  return element;
}
