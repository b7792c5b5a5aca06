import { ProtoReader } from "../protobuf/proto-reader.ts";

const MAGIC = 0;
const HEADER_BYTES = 5;
const INDEXES_MAX = 16;

/** What precedes a payload that a registry's serializer wrote. */
export interface WireHeader {
  readonly schemaId: number;
  readonly body: Uint8Array;
}

/** Undefined if the payload does not begin with the zero byte and an id. */
export function readHeader(payload: Uint8Array): WireHeader | undefined {
  if (payload.length < HEADER_BYTES || payload[0] !== MAGIC) return undefined;
  const schemaId = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(1);
  return { schemaId, body: payload.subarray(HEADER_BYTES) };
}

/**
 * The place of a message in its .proto file, which precedes the message itself: a count and the indexes, or 0 for the
 * first message. Throws `MalformedError`.
 */
export function readMessageIndexes(body: Uint8Array): {
  readonly indexes: readonly number[];
  readonly message: Uint8Array;
} {
  const from = new ProtoReader(body, 1);
  const count = Number(from.sint64());
  if (count < 0 || count > INDEXES_MAX) from.fail(`${count} is no number of message indexes`);
  const indexes = Array.from({ length: count }, () => Number(from.sint64()));
  return { indexes: count === 0 ? [0] : indexes, message: body.subarray(from.at) };
}
