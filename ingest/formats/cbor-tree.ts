import { ByteReader, isoTime, MalformedError, setField, TooDeepError, wholeValue } from "./binary/byte-reader.ts";

const BREAK = Symbol("break");
const INDEFINITE = -1;
/** A bignum with more bytes has more than 300 digits. */
const BIGNUM_BYTES_MAX = 128;
/** Tags around a value; they nest, too. */
const TAGS_MAX = 8;
const TAG_EPOCH = 1;
const TAG_BIGNUM = 2;
const TAG_NEGATIVE_BIGNUM = 3;
const TAG_DECIMAL = 4;
const TAG_BIGFLOAT = 5;

/**
 * The tree of one CBOR item (RFC 8949). Throws `MalformedError` or `TooDeepError`.
 *
 * NaN and infinities, undefined and unassigned simple values are null; integers beyond 2^53 are BigInts. A time is
 * ISO 8601 text; decimal fractions and bigfloats are numbers. Other tags are skipped, so a tag never makes an object. Our own decoder, because a payload must not cost more than its own length: see
 * the decision on decoders.
 */
export function cborTree(payload: Uint8Array, nestingMax: number): unknown {
  const walk = new CborWalk(payload, nestingMax);
  const value = walk.item(0, 0);
  if (value === BREAK) throw new MalformedError("there is a break outside of an item of indefinite length", 0);
  if (walk.reader.left > 0) walk.reader.fail(`${walk.reader.left} bytes follow the item`);
  return value;
}

class CborWalk {
  readonly reader: ByteReader;
  readonly #nestingMax: number;

  constructor(payload: Uint8Array, nestingMax: number) {
    this.reader = new ByteReader(payload);
    this.#nestingMax = nestingMax;
  }

  item(depth: number, tags: number): unknown {
    const { reader } = this;
    const head = reader.u8();
    const detail = head & 0x1f;
    switch (head >> 5) {
      case 0:
        return detail < 24 ? detail : wholeValue(this.#argument(detail));
      case 1: {
        const value = this.#argument(detail);
        if (typeof value === "number" && value < Number.MAX_SAFE_INTEGER) return -1 - value;
        return wholeValue(-1n - BigInt(value));
      }
      case 2:
        return this.#bytes(detail);
      case 3:
        return this.#text(detail);
      case 4:
        return this.#array(detail, depth + 1);
      case 5:
        return this.#map(detail, depth + 1);
      case 6:
        return this.#tagged(this.#argument(detail), depth, tags + 1);
      default:
        return this.#simple(detail);
    }
  }

  #argument(detail: number): number | bigint {
    if (detail < 24) return detail;
    switch (detail) {
      case 24:
        return this.reader.u8();
      case 25:
        return this.reader.u16();
      case 26:
        return this.reader.u32();
      case 27:
        return this.reader.u64();
      default:
        return this.reader.fail(`${detail} is no argument of a CBOR item`);
    }
  }

  /** A count of bytes or elements, or `INDEFINITE`. Each takes at least a byte, so more than are left is malformed. */
  #length(detail: number): number {
    if (detail === 31) return INDEFINITE;
    const length = this.#argument(detail);
    if (typeof length === "bigint" || length > this.reader.left) {
      return this.reader.fail(`a length of ${length} is more than the ${this.reader.left} bytes that are left`);
    }
    return length;
  }

  #bytes(detail: number): Buffer {
    const length = this.#length(detail);
    if (length !== INDEFINITE) return this.reader.take(length);
    const parts: Buffer[] = [];
    for (let part = this.#chunk(2); part !== undefined; part = this.#chunk(2)) parts.push(part);
    return Buffer.concat(parts);
  }

  #text(detail: number): string {
    const length = this.#length(detail);
    if (length !== INDEFINITE) return this.reader.text(length);
    const parts: Buffer[] = [];
    for (let part = this.#chunk(3); part !== undefined; part = this.#chunk(3)) parts.push(part);
    const whole = new ByteReader(Buffer.concat(parts));
    try {
      return whole.text(whole.left);
    } catch {
      return this.reader.fail("a text is not UTF-8");
    }
  }

  /** A chunk of an item of indefinite length; undefined at its end. */
  #chunk(major: number): Buffer | undefined {
    const head = this.reader.u8();
    if (head === 0xff) return undefined;
    const length = head >> 5 === major ? this.#length(head & 0x1f) : INDEFINITE;
    if (length === INDEFINITE) return this.reader.fail("a text or bytes in parts have a part of another kind");
    return this.reader.take(length);
  }

  #array(detail: number, depth: number): unknown[] {
    this.#checkDepth(depth);
    const length = this.#length(detail);
    const array: unknown[] = [];
    if (length === INDEFINITE) {
      for (let value = this.item(depth, 0); value !== BREAK; value = this.item(depth, 0)) array.push(value);
      return array;
    }
    for (let i = 0; i < length; i++) array.push(this.#inside(depth));
    return array;
  }

  #map(detail: number, depth: number): Record<string, unknown> {
    this.#checkDepth(depth);
    const length = this.#length(detail);
    const map: Record<string, unknown> = {};
    for (let i = 0; length === INDEFINITE || i < length; i++) {
      const name = this.#key(depth);
      if (name === BREAK) {
        if (length === INDEFINITE) return map;
        return this.reader.fail("there is a break in a map of a definite length");
      }
      setField(map, name, this.#inside(depth));
    }
    return map;
  }

  #key(depth: number): string | typeof BREAK {
    const head = this.reader.u8();
    if (head >= 0x60 && head < 0x78) return this.reader.key(head & 0x1f);
    this.reader.at--;
    const key = this.item(depth, 0);
    if (key === BREAK) return BREAK;
    if (typeof key === "string") return key;
    // Compact protocols number their fields.
    if (typeof key === "number" || typeof key === "bigint") return String(key);
    return this.reader.fail("a key of a map is neither a text nor a number");
  }

  #inside(depth: number): unknown {
    const value = this.item(depth, 0);
    if (value === BREAK) this.reader.fail("there is a break in an item of a definite length");
    return value;
  }

  #tagged(tag: number | bigint, depth: number, tags: number): unknown {
    if (tags > TAGS_MAX) this.reader.fail(`more than ${TAGS_MAX} tags precede a value`);
    if (tag === TAG_BIGNUM || tag === TAG_NEGATIVE_BIGNUM) return this.#bignum(tag);
    const value = this.item(depth, tags);
    if (value === BREAK) this.reader.fail("there is a break after a tag");
    if (tag === TAG_EPOCH) return this.#epoch(value);
    if (tag === TAG_DECIMAL) return this.#scaled(value, 10);
    if (tag === TAG_BIGFLOAT) return this.#scaled(value, 2);
    return value;
  }

  #bignum(tag: number): number | bigint {
    const head = this.reader.u8();
    if (head >> 5 !== 2) this.reader.fail("a bignum has no bytes");
    const bytes = this.#bytes(head & 0x1f);
    if (bytes.length > BIGNUM_BYTES_MAX) this.reader.fail(`a bignum has more than ${BIGNUM_BYTES_MAX} bytes`);
    const value = bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString("hex")}`);
    return wholeValue(tag === TAG_BIGNUM ? value : -1n - value);
  }

  #epoch(value: unknown): string | null {
    if (value === null) return null;
    if (typeof value !== "number") return this.reader.fail("a time is not a number of seconds");
    const us = Math.round((value - Math.floor(value)) * 1e6);
    return isoTime(Math.floor(value), Math.min(us, 999_999) * 1_000) ?? null;
  }

  /** `[exponent, mantissa]` of a decimal fraction or a bigfloat. */
  #scaled(value: unknown, base: 2 | 10): number | null {
    const [exponent, mantissa] = Array.isArray(value) && value.length === 2 ? value : [];
    if (typeof exponent !== "number" || (typeof mantissa !== "number" && typeof mantissa !== "bigint")) {
      return this.reader.fail("a fraction is not [exponent, mantissa]");
    }
    // Through text, so that [-1, 215] is exactly 21.5.
    const number = base === 10 ? Number(`${mantissa}e${exponent}`) : Number(mantissa) * 2 ** exponent;
    return Number.isFinite(number) ? number : null;
  }

  #simple(detail: number): unknown {
    switch (detail) {
      case 20:
        return false;
      case 21:
        return true;
      case 24:
        if (this.reader.u8() < 32) this.reader.fail("a simple value takes more bytes than it needs");
        return null;
      case 25:
        return finite(this.reader.f16());
      case 26:
        return finite(this.reader.f32());
      case 27:
        return finite(this.reader.f64());
      case 31:
        return BREAK;
      case 28:
      case 29:
      case 30:
        return this.reader.fail(`${detail} is no simple value`);
      default:
        return null;
    }
  }

  #checkDepth(depth: number): void {
    if (depth > this.#nestingMax) throw new TooDeepError(`it is nested deeper than ${this.#nestingMax}`);
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
