import { ByteReader, MalformedError, TooDeepError, wholeValue } from "../../formats/binary/byte-reader.ts";

export const VARINT = 0;
export const FIXED_64 = 1;
export const DELIMITED = 2;
export const GROUP_START = 3;
export const GROUP_END = 4;
export const FIXED_32 = 5;

const VARINT_BYTES_MAX = 10;

/** Reads the wire format of Protobuf. Throws `MalformedError` and `TooDeepError`. */
export class ProtoReader extends ByteReader {
  readonly #nestingMax: number;
  #depth = 0;
  /** The end of the message that is being read. */
  limit: number;

  constructor(payload: Uint8Array, nestingMax: number) {
    super(payload);
    this.#nestingMax = nestingMax;
    this.limit = payload.length;
  }

  enter(): void {
    if (++this.#depth > this.#nestingMax) throw new TooDeepError(`it is nested deeper than ${this.#nestingMax}`);
  }

  leave(): void {
    this.#depth--;
  }

  /** Up to 64 bits, unsigned: a BigInt above 2^53. */
  varint(): number | bigint {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
      if (this.at - start === 7) return this.#bigVarint(start);
    }
  }

  #bigVarint(start: number): number | bigint {
    this.at = start;
    let value = 0n;
    for (let i = 0n; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return wholeValue(BigInt.asUintN(64, value));
    }
    throw new MalformedError(`a number has more than ${VARINT_BYTES_MAX} bytes`, start);
  }

  /** A varint of 32 bits, as the language's decoders cut it. */
  varint32(): number {
    const value = this.varint();
    return typeof value === "number" ? value % 0x1_0000_0000 : Number(BigInt.asUintN(32, value));
  }

  int64(): number | bigint {
    const value = this.varint();
    return typeof value === "number" ? value : wholeValue(BigInt.asIntN(64, value));
  }

  sint64(): number | bigint {
    const value = this.varint();
    if (typeof value === "number") return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    return wholeValue((value >> 1n) ^ -(value & 1n));
  }

  fixed64(): number | bigint {
    this.need(8);
    const value = this.bytes.readBigUInt64LE(this.at);
    this.at += 8;
    return wholeValue(value);
  }

  sfixed64(): number | bigint {
    this.need(8);
    const value = this.bytes.readBigInt64LE(this.at);
    this.at += 8;
    return wholeValue(value);
  }

  fixed32(): number {
    this.need(4);
    const value = this.bytes.readUInt32LE(this.at);
    this.at += 4;
    return value;
  }

  float(): number {
    this.need(4);
    const value = this.bytes.readFloatLE(this.at);
    this.at += 4;
    return value;
  }

  double(): number {
    this.need(8);
    const value = this.bytes.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  /** The length of what follows; it lies within the message. */
  length(): number {
    const length = this.varint();
    if (typeof length === "bigint" || length > this.limit - this.at) {
      return this.fail(`a length of ${length} is more than the ${this.limit - this.at} bytes that are left`);
    }
    return length;
  }

  /** Skips a field that no schema names. */
  skip(wire: number, id: number): void {
    switch (wire) {
      case VARINT:
        this.varint();
        return;
      case FIXED_64:
        this.take(8);
        return;
      case DELIMITED:
        this.take(this.length());
        return;
      case FIXED_32:
        this.take(4);
        return;
      case GROUP_START:
        this.#skipGroup(id);
        return;
      default:
        this.fail(`${wire} is no wire type`);
    }
  }

  #skipGroup(id: number): void {
    this.enter();
    for (;;) {
      const { wire, id: inner } = this.tag();
      if (wire === GROUP_END) {
        if (inner !== id) this.fail(`group ${id} ends as group ${inner}`);
        break;
      }
      this.skip(wire, inner);
    }
    this.leave();
  }

  tag(): { readonly wire: number; readonly id: number } {
    const tag = this.varint();
    if (typeof tag === "bigint" || tag > 0xffff_ffff || tag < 8) return this.fail("a field has no valid number");
    return { wire: tag & 7, id: tag >>> 3 };
  }
}
