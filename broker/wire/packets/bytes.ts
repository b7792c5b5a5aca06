import { isUtf8 } from "node:buffer";
import type { Refusal } from "../../common/events.ts";
import { REASON, type ReasonCode } from "./reason-codes.ts";

/** The client broke the protocol: its connection ends, in MQTT 5 with the reason code. */
export class PacketError extends Error {
  override readonly name = "PacketError";
  readonly reasonCode: ReasonCode;
  /** For the log and the counters. */
  readonly refusal: Refusal;

  constructor(reasonCode: ReasonCode, message: string, refusal: Refusal = "protocol-error") {
    super(message);
    this.reasonCode = reasonCode;
    this.refusal = refusal;
  }
}

export function malformed(message: string): PacketError {
  return new PacketError(REASON.malformed, message);
}

export function protocolError(message: string): PacketError {
  return new PacketError(REASON.protocolError, message);
}

/** Reads the fields of one packet, and never beyond its end. All methods throw PacketError when a field is malformed. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.at;
  }

  uint8(): number {
    this.#need(1);
    return this.#bytes[this.at++] ?? 0;
  }

  uint16(): number {
    this.#need(2);
    const value = this.#bytes.readUInt16BE(this.at);
    this.at += 2;
    return value;
  }

  uint32(): number {
    this.#need(4);
    const value = this.#bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  /** Variable Byte Integer: MQTT 5, section 1.5.5. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.uint8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed("a Variable Byte Integer has more than four bytes");
  }

  /** A view of the packet's bytes. */
  take(length: number): Buffer {
    this.#need(length);
    const bytes = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }

  binary(): Buffer {
    return this.take(this.uint16());
  }

  string(): string {
    const text = decodeUtf8(this.binary());
    if (text.includes("\u0000")) throw malformed("a text holds U+0000");
    return text;
  }

  packetId(): number {
    const id = this.uint16();
    if (id === 0) throw new PacketError(REASON.protocolError, "the packet id is 0", "packet-id-zero");
    return id;
  }

  /** A reader of the next bytes alone. */
  part(length: number): ByteReader {
    this.#need(length);
    const part = new ByteReader(this.#bytes, this.at, this.at + length);
    this.at += length;
    return part;
  }

  expectEnd(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes follow the packet's last field`);
  }

  #need(bytes: number): void {
    if (this.left < bytes) throw new PacketError(REASON.malformed, "the packet ends within a field", "bad-length");
  }
}

/** @throws PacketError if the bytes are not UTF-8 */
export function decodeUtf8(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  // Almost no text has a replacement character, so the exact check is rarely needed.
  if (text.includes("\ufffd") && !isUtf8(bytes)) throw malformed("a text is not UTF-8");
  return text;
}
