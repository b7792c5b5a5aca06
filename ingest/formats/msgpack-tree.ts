import { ByteReader, isoTime, setField, TooDeepError, wholeValue } from "./binary/byte-reader.ts";

const TIMESTAMP = -1;

/**
 * The tree of one MessagePack object. Throws `MalformedError` or `TooDeepError`.
 *
 * NaN and infinities are null; integers beyond 2^53 are BigInts. A timestamp is ISO 8601 text; other extensions are
 * their bytes. Our own decoder, because an array that only claims a
 * length must not cost memory: see the decision on decoders.
 */
export function msgpackTree(payload: Uint8Array, nestingMax: number): unknown {
  const walk = new MsgpackWalk(payload, nestingMax);
  const value = walk.value(0);
  if (walk.reader.left > 0) walk.reader.fail(`${walk.reader.left} bytes follow the object`);
  return value;
}

class MsgpackWalk {
  readonly reader: ByteReader;
  readonly #nestingMax: number;

  constructor(payload: Uint8Array, nestingMax: number) {
    this.reader = new ByteReader(payload);
    this.#nestingMax = nestingMax;
  }

  value(depth: number): unknown {
    const head = this.reader.u8();
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f, depth + 1);
    if (head < 0xa0) return this.#array(head & 0x0f, depth + 1);
    if (head < 0xc0) return this.reader.text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.#long(head, depth);
  }

  #long(head: number, depth: number): unknown {
    const { reader } = this;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return finite(reader.f32());
      case 0xcb:
        return finite(reader.f64());
      case 0xcc:
        return reader.u8();
      case 0xcd:
        return reader.u16();
      case 0xce:
        return reader.u32();
      case 0xcf:
        return wholeValue(reader.u64());
      case 0xd0:
        return (reader.u8() << 24) >> 24;
      case 0xd1:
        return (reader.u16() << 16) >> 16;
      case 0xd2:
        return reader.u32() | 0;
      case 0xd3:
        return wholeValue(reader.i64());
      case 0xdc:
        return this.#array(reader.u16(), depth + 1);
      case 0xdd:
        return this.#array(reader.u32(), depth + 1);
      case 0xde:
        return this.#map(reader.u16(), depth + 1);
      case 0xdf:
        return this.#map(reader.u32(), depth + 1);
      default:
        return this.#bytes(head);
    }
  }

  /** Texts, bytes and extensions with a length of their own. */
  #bytes(head: number): string | Uint8Array | null {
    const { reader } = this;
    switch (head) {
      case 0xd9:
        return reader.text(reader.u8());
      case 0xda:
        return reader.text(reader.u16());
      case 0xdb:
        return reader.text(reader.u32());
      case 0xc4:
        return reader.take(reader.u8());
      case 0xc5:
        return reader.take(reader.u16());
      case 0xc6:
        return reader.take(reader.u32());
      case 0xc7:
        return this.#extension(reader.u8());
      case 0xc8:
        return this.#extension(reader.u16());
      case 0xc9:
        return this.#extension(reader.u32());
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(2 ** (head - 0xd4));
      default:
        reader.at--;
        return reader.fail("the byte c1 is never used");
    }
  }

  #extension(length: number): string | Uint8Array | null {
    const type = (this.reader.u8() << 24) >> 24;
    const data = this.reader.take(length);
    return type === TIMESTAMP ? this.#timestamp(data) : data;
  }

  #timestamp(data: Buffer): string | null {
    let [seconds, nanoseconds] = [0, 0];
    if (data.length === 4) seconds = data.readUInt32BE(0);
    else if (data.length === 8) {
      nanoseconds = data.readUInt32BE(0) >>> 2;
      seconds = (data.readUInt32BE(0) & 3) * 0x1_0000_0000 + data.readUInt32BE(4);
    } else if (data.length === 12) {
      nanoseconds = data.readUInt32BE(0);
      seconds = Number(data.readBigInt64BE(4));
    } else return this.reader.fail(`a timestamp has ${data.length} bytes, not 4, 8 or 12`);
    if (nanoseconds > 999_999_999) this.reader.fail("a timestamp has more than 999999999 ns");
    return isoTime(seconds, nanoseconds) ?? null;
  }

  #array(length: number, depth: number): unknown[] {
    this.#checkDepth(depth);
    this.#checkLength(length);
    const array: unknown[] = [];
    for (let i = 0; i < length; i++) array.push(this.value(depth));
    return array;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    this.#checkDepth(depth);
    this.#checkLength(2 * length);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) setField(map, this.#key(depth), this.value(depth));
    return map;
  }

  #key(depth: number): string {
    const head = this.reader.u8();
    if (head >= 0xa0 && head < 0xc0) return this.reader.key(head & 0x1f);
    this.reader.at--;
    const key = this.value(depth);
    if (typeof key === "string") return key;
    if (typeof key === "number" || typeof key === "bigint") return String(key);
    return this.reader.fail("a key of a map is neither a text nor a number");
  }

  /** Each element takes at least a byte. */
  #checkLength(values: number): void {
    if (values <= this.reader.left) return;
    this.reader.fail(`${values} values are more than the ${this.reader.left} bytes that are left`);
  }

  #checkDepth(depth: number): void {
    if (depth > this.#nestingMax) throw new TooDeepError(`it is nested deeper than ${this.#nestingMax}`);
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
