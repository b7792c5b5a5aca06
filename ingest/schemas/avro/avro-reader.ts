import { ByteReader, isoTime, MalformedError, TooDeepError, wholeValue } from "../../formats/binary/byte-reader.ts";
import type { Tree } from "../../formats/format.ts";
import type { Logical } from "./avro-schema.ts";

/** Items of an array that take no bytes: nothing else bounds them. */
const FREE_ITEMS_MAX = 1_000;
const VARINT_BYTES_MAX = 10;

/** Reads the primitive types of Avro. Throws `MalformedError` and `TooDeepError`. */
export class AvroReader extends ByteReader {
  readonly #nestingMax: number;
  #depth = 0;
  #items: number;

  constructor(payload: Uint8Array, nestingMax: number) {
    super(payload);
    this.#nestingMax = nestingMax;
    this.#items = payload.length + FREE_ITEMS_MAX;
  }

  enter(): void {
    if (++this.#depth > this.#nestingMax) throw new TooDeepError(`it is nested deeper than ${this.#nestingMax}`);
  }

  leave(): void {
    this.#depth--;
  }

  boolean(): boolean {
    const byte = this.u8();
    if (byte > 1) throw new MalformedError(`${byte} is no boolean`, this.at - 1);
    return byte === 1;
  }

  /** A zigzag number of up to 32 bits. */
  int(): number {
    const value = this.long();
    if (typeof value === "bigint" || value < -2_147_483_648 || value > 2_147_483_647) {
      return this.fail(`${value} is too large for an int`);
    }
    return value;
  }

  /** A zigzag number of up to 64 bits: a BigInt beyond 2^53. */
  long(): number | bigint {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
      if (this.at - start === 7) return this.#bigLong(start);
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #bigLong(start: number): number | bigint {
    this.at = start;
    let value = 0n;
    for (let i = 0n; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return wholeValue(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
    }
    throw new MalformedError(`a number has more than ${VARINT_BYTES_MAX} bytes`, start);
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

  size(what: string): number {
    const size = this.long();
    if (typeof size === "bigint" || size < 0 || size > this.left) {
      return this.fail(`${what} of ${size} bytes is longer than the ${this.left} bytes that are left`);
    }
    return size;
  }

  string(): string {
    return this.text(this.size("a text"));
  }

  blob(): Buffer {
    return this.take(this.size("a field of bytes"));
  }

  /** Calls for each item of an array or a map. */
  blocks(item: () => void): void {
    for (;;) {
      let count = this.long();
      if (count === 0) return;
      if (count < 0) {
        this.size("a block");
        count = -count;
      }
      if (count > this.#items) this.fail(`${count} items are more than the payload can have`);
      this.#items -= Number(count);
      for (let i = 0; i < count; i++) item();
    }
  }
}

/** A value with a logical type. Times are ISO 8601 texts, decimals are numbers; others stay as they are. */
export function logicalValue(value: Tree, { name, scale }: Logical): Tree {
  if (value instanceof Uint8Array) return name === "decimal" ? decimalValue(value, scale) : value;
  if (typeof value !== "number" && typeof value !== "bigint") return value;
  switch (name) {
    case "timestamp-millis":
      return instantText(BigInt(value) * 1_000_000n);
    case "timestamp-micros":
      return instantText(BigInt(value) * 1_000n);
    case "timestamp-nanos":
      return instantText(BigInt(value));
    case "local-timestamp-millis":
      return instantText(BigInt(value) * 1_000_000n)?.slice(0, -1);
    case "local-timestamp-micros":
      return instantText(BigInt(value) * 1_000n)?.slice(0, -1);
    case "local-timestamp-nanos":
      return instantText(BigInt(value))?.slice(0, -1);
    case "date":
      return isoTime(Number(value) * 86_400, 0)?.slice(0, 10);
    default:
      return value;
  }
}

const NS_PER_S = 1_000_000_000n;

function instantText(nanoseconds: bigint): string | undefined {
  const rest = ((nanoseconds % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return isoTime(Number((nanoseconds - rest) / NS_PER_S), Number(rest));
}

const DECIMAL_BYTES_MAX = 128;

/** Undefined for a decimal with more digits than a measured value has. */
function decimalValue(bytes: Uint8Array, scale: number): number | undefined {
  if (bytes.length > DECIMAL_BYTES_MAX) return undefined;
  const digits = bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  return Number(`${BigInt.asIntN(8 * bytes.length, digits)}e-${scale}`);
}
