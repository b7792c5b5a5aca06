import { isUtf8 } from "node:buffer";

/** The bytes are not in their format. `position` is the first bad byte. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** The payload is in its format, but exceeds a limit. */
export class TooDeepError extends Error {
  override readonly name = "TooDeepError";
}

const ASCII_BYTES_MAX = 24;
const KEY_BYTES_MAX = 40;
const KEYS = 1_024;

interface CachedKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** The names of fields repeat in every message, so their texts are decoded once. Bounded: an entry replaces another. */
const cachedKeys: (CachedKey | undefined)[] = new Array<CachedKey | undefined>(KEYS).fill(undefined);

/**
 * Reads numbers and texts from bytes that a device sent. Nothing is allocated by a length that the bytes only claim:
 * each read checks what is left, and throws `MalformedError` with its position.
 */
export class ByteReader {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;

  constructor(payload: Uint8Array) {
    this.bytes = Buffer.isBuffer(payload)
      ? payload
      : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.at = 0;
    this.end = payload.length;
  }

  get left(): number {
    return this.end - this.at;
  }

  fail(message: string): never {
    throw new MalformedError(message, Math.min(this.at, this.end));
  }

  /** Throws unless this many bytes are left. */
  need(count: number): void {
    if (count > this.end - this.at) {
      throw new MalformedError(`it ends after ${this.end} bytes, where ${count} more are expected`, this.end);
    }
  }

  u8(): number {
    if (this.at >= this.end) this.need(1);
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    this.need(2);
    const value = this.bytes.readUInt16BE(this.at);
    this.at += 2;
    return value;
  }

  u32(): number {
    this.need(4);
    const value = this.bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  /** Exact: above 2^53, a BigInt. */
  u64(): number | bigint {
    const high = this.u32();
    const low = this.u32();
    if (high < 0x20_0000) return high * 0x1_0000_0000 + low;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** Exact: beyond 2^53, a BigInt. */
  i64(): number | bigint {
    this.need(8);
    const value = this.bytes.readBigInt64BE(this.at);
    this.at += 8;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  f16(): number {
    const bits = this.u16();
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
  }

  f32(): number {
    this.need(4);
    const value = this.bytes.readFloatBE(this.at);
    this.at += 4;
    return value;
  }

  f64(): number {
    this.need(8);
    const value = this.bytes.readDoubleBE(this.at);
    this.at += 8;
    return value;
  }

  /** A view of the payload, not a copy. */
  take(count: number): Buffer {
    this.need(count);
    const taken = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return taken;
  }

  text(length: number): string {
    this.need(length);
    const { bytes, at } = this;
    const end = at + length;
    if (length <= ASCII_BYTES_MAX) {
      // A call of the engine's decoder costs more than a few characters.
      let text = "";
      let i = at;
      for (; i < end; i++) {
        const byte = bytes[i] as number;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (i === end) {
        this.at = end;
        return text;
      }
    }
    if (!isUtf8(bytes.subarray(at, end))) this.fail("a text is not UTF-8");
    this.at = end;
    return bytes.toString("utf8", at, end);
  }

  /** A text that names a field. */
  key(length: number): string {
    this.need(length);
    if (length > KEY_BYTES_MAX) return this.text(length);
    const { bytes, at } = this;
    let hash = length;
    for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
    const slot = (hash ^ (hash >>> 10)) & (KEYS - 1);
    const cached = cachedKeys[slot];
    if (cached !== undefined && sameBytes(cached.bytes, bytes, at, length)) {
      this.at += length;
      return cached.text;
    }
    const text = this.text(length);
    cachedKeys[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, at, at + length), text };
    return text;
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array, at: number, length: number): boolean {
  if (one.length !== length) return false;
  for (let i = 0; i < length; i++) if (one[i] !== other[at + i]) return false;
  return true;
}

/** Sets a field as JSON.parse does: `__proto__` is a field like any other. */
export function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** What a tree holds for an integer: a number where it is exact, else the BigInt. */
export function wholeValue(value: number | bigint): number | bigint {
  if (typeof value === "number") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Half of what a date holds. */
const SECONDS_MAX = 4e12;

/** ISO 8601 text of a time of a payload. Undefined if no calendar has it. */
export function isoTime(seconds: number, nanoseconds: number): string | undefined {
  if (!(Math.abs(seconds) < SECONDS_MAX)) return undefined;
  const whole = new Date(Math.floor(seconds) * 1_000).toISOString();
  return whole.replace(/\.\d+Z$/, `.${String(nanoseconds).padStart(9, "0")}Z`);
}
