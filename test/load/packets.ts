/**
 * Bytes of packets of MQTT 3.1.1 and 5, built once and patched per message: the generator must be cheaper than what it loads.
 */

const TIMESTAMP_DIGITS = 16;
const TIMESTAMP_MARK = "{ts}";

/** Protocol levels of MQTT 3.1.1 and 5. */
export type ProtocolVersion = 4 | 5;

export function connectPacket(options: {
  readonly clientId: string;
  readonly version?: ProtocolVersion;
  readonly username?: string;
  readonly password?: string;
}): Buffer {
  const { clientId, username, password, version = 4 } = options;
  const flags = 0x02 | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const body = [text("MQTT"), Buffer.from([version, flags, 0, 0]), noProperties(version), text(clientId)];
  if (username !== undefined) body.push(text(username));
  if (password !== undefined) body.push(text(password));
  return packet(0x10, Buffer.concat(body));
}

export interface PublishTemplate {
  readonly bytes: Buffer;
  /** Offset of the packet id; -1 for QoS 0. */
  readonly idAt: number;
  /** Offset of the 16 digits of the timestamp in microseconds; -1 when the payload has no `{ts}`. */
  readonly timestampAt: number;
}

/** A PUBLISH whose id and timestamp (`{ts}` in the payload) are patched in later. */
export function publishTemplate(
  topic: string,
  payload: string,
  qos: 0 | 1 | 2,
  version: ProtocolVersion = 4,
): PublishTemplate {
  const markAt = payload.indexOf(TIMESTAMP_MARK);
  const body = Buffer.from(payload.replace(TIMESTAMP_MARK, "0".repeat(TIMESTAMP_DIGITS)));
  const properties = noProperties(version);
  const parts = [text(topic), qos > 0 ? Buffer.from([0, 0]) : Buffer.alloc(0), properties, body];
  const bytes = packet(0x30 | (qos << 1), Buffer.concat(parts));
  const bodyAt = bytes.length - body.length;
  return {
    bytes,
    idAt: qos > 0 ? bodyAt - properties.length - 2 : -1,
    timestampAt: markAt < 0 ? -1 : bodyAt + Buffer.byteLength(payload.slice(0, markAt)),
  };
}

/** Writes 16 decimal digits without making a text: this runs once per message. */
export function patchTimestamp(buffer: Buffer, at: number, atUs: number): void {
  let high = Math.floor(atUs / 1e8);
  let low = atUs - high * 1e8;
  for (let i = at + TIMESTAMP_DIGITS - 1; i >= at + 8; i--) {
    buffer[i] = 48 + (low % 10);
    low = Math.floor(low / 10);
  }
  for (let i = at + 7; i >= at; i--) {
    buffer[i] = 48 + (high % 10);
    high = Math.floor(high / 10);
  }
}

function noProperties(version: ProtocolVersion): Buffer {
  return Buffer.alloc(version === 5 ? 1 : 0);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function packet(header: number, body: Buffer): Buffer {
  const head = [header];
  let length = body.length;
  do {
    head.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  return Buffer.concat([Buffer.from(head), body]);
}
