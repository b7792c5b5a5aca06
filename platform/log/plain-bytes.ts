/** Buffers share memory where plain arrays copy (`slice`): readers get plain arrays from every adapter. */
export function plainBytes(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}
