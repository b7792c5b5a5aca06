import { PacketError } from "./packets/bytes.ts";
import { TYPE } from "./packets/packets.ts";
import { REASON } from "./packets/reason-codes.ts";

/** Where the packet that begins at some byte has its parts. */
export interface Frame {
  readonly bodyAt: number;
  /** Where the next packet begins. May lie beyond the bytes that have arrived. */
  readonly end: number;
}

/**
 * The frame of the packet that begins at `at`; undefined while its fixed header is incomplete. A packet that is too
 * large is detected by its header, before it has arrived.
 * @throws PacketError if the length is malformed or above the bound
 */
export function frameAt(bytes: Uint8Array, at: number, packetBytesMax: number): Frame | undefined {
  let bodyAt = at + 1;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[bodyAt++];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
    if (shift >= 21)
      throw new PacketError(REASON.malformed, "the packet's length has more than four bytes", "bad-length");
  }
  const end = bodyAt + length;
  if (length > packetBytesMax) {
    throw new PacketError(REASON.packetTooLarge, `the packet has ${end - at} bytes`, "packet-too-large");
  }
  return { bodyAt, end };
}

/** The beginning of a packet whose end has not arrived. */
export class PartialPacket {
  #parts: Buffer[] = [];
  #bytes = 0;
  #needed = 0;

  /** Keeps the bytes from `at` on, which begin a packet that goes to `end`, if that is known. */
  keep(bytes: Buffer, at: number, end: number | undefined): void {
    const rest = bytes.subarray(at);
    this.#parts = [rest];
    this.#bytes = rest.length;
    this.#needed = end === undefined ? 0 : end - at;
  }

  /** The next bytes, behind the beginning of their first packet; undefined while that packet is incomplete. */
  join(chunk: Buffer): Buffer | undefined {
    if (this.#bytes === 0) return chunk;
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return undefined;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return bytes;
  }
}

const PINGREQ_BYTES = 2;

/** Where complete PINGREQ packets lie in bytes that begin with a packet. Ends before the first malformed packet. */
export function pingsIn(bytes: Uint8Array, packetBytesMax: number): readonly number[] {
  const pings: number[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      const frame = frameAt(bytes, at, packetBytesMax);
      if (frame === undefined) break;
      if (bytes[at] === TYPE.pingreq << 4 && frame.end === at + PINGREQ_BYTES) pings.push(at);
      at = frame.end;
    }
  } catch (error) {
    // The connection ends for it once it is read.
    if (!(error instanceof PacketError)) throw error;
  }
  return pings;
}

/** The bytes without those pings. */
export function withoutPings(bytes: Buffer, pings: readonly number[]): Buffer {
  if (pings.length === 0) return bytes;
  const parts: Buffer[] = [];
  let from = 0;
  for (const ping of pings) {
    parts.push(bytes.subarray(from, ping));
    from = ping + PINGREQ_BYTES;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}
