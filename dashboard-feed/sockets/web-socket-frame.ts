const FINAL_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * A WebSocket text frame (RFC 6455, 5.2), ready for the wire. Servers do not mask frames, so all clients get the same
 * bytes.
 */
export function textFrame(text: string): Buffer {
  return Buffer.concat([frameHead(Buffer.byteLength(text)), Buffer.from(text)]);
}

/** The header for a text of this length. */
export function frameHead(bytes: number): Buffer {
  if (bytes < LENGTH_16) return Buffer.from([FINAL_TEXT, bytes]);
  if (bytes < 2 ** 16) {
    const head = Buffer.from([FINAL_TEXT, LENGTH_16, 0, 0]);
    head.writeUInt16BE(bytes, 2);
    return head;
  }
  const head = Buffer.alloc(10);
  head[0] = FINAL_TEXT;
  head[1] = LENGTH_64;
  head.writeUInt32BE(bytes, 6);
  return head;
}
