import { grown } from "./grown.ts";

/** Growable columns of a frame. A column is written as one length-delimited Protobuf field ("packed"). */
export class VarintColumn {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A whole number from 0 to 2^53 - 1. */
  push(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#bytes = grown(this.#bytes, this.#length + 8);
    this.#length = writeVarint(this.#bytes, this.#length, value);
  }

  /** A whole number within +-2^52, zigzag coded. */
  pushSigned(value: number): void {
    this.push(value < 0 ? -2 * value - 1 : 2 * value);
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Shortens the column to this length. */
  cutTo(length: number): void {
    this.#length = length;
  }
}

export class DoubleColumn {
  #values = new Float64Array(128);
  #count = 0;

  get length(): number {
    return this.#count * 8;
  }

  push(value: number): void {
    if (this.#count === this.#values.length) this.#values = grown(this.#values, this.#count + 1);
    this.#values[this.#count++] = value;
  }

  view(): Uint8Array {
    return new Uint8Array(this.#values.buffer, 0, this.#count * 8);
  }

  /** Shortens the column to this length. */
  cutTo(length: number): void {
    this.#count = length / 8;
  }
}

const encoder = new TextEncoder();
/** Up to this length a loop over the characters is faster than the encoder, which makes an array for each text. */
const LOOPED_CHARACTERS_MAX = 48;

/** Texts in message form: one length-delimited field each. */
export class TextColumn {
  readonly #tag: number;
  #bytes = new Uint8Array(1024);
  #length = 0;

  constructor(field: number) {
    this.#tag = (field << 3) | 2;
  }

  /** Bytes, not texts. */
  get length(): number {
    return this.#length;
  }

  push(text: string): void {
    if (text.length > LOOPED_CHARACTERS_MAX || !this.#pushAscii(text)) this.#pushEncoded(encoder.encode(text));
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Shortens the column to this length. */
  cutTo(length: number): void {
    this.#length = length;
  }

  /** False when the text has other characters; then nothing is pushed. */
  #pushAscii(text: string): boolean {
    let at = this.#begin(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.#bytes[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #pushEncoded(encoded: Uint8Array): void {
    const at = this.#begin(encoded.length);
    this.#bytes.set(encoded, at);
    this.#length = at + encoded.length;
  }

  /** Reserves space and writes the head of a field. Returns where its bytes begin. */
  #begin(bytes: number): number {
    const needed = this.#length + HEAD_BYTES + bytes;
    this.#bytes = grown(this.#bytes, needed);
    this.#bytes[this.#length] = this.#tag;
    return writeVarint(this.#bytes, this.#length + 1, bytes);
  }
}

/** Space for an entry's tag and length, which are written last, before the entry. */
const HEAD_BYTES = 8;
const READINGS_TAG = (1 << 3) | 2;

/** Writes the fields of a Readings message one after another, then puts the LogEntry's head before them. */
export class ReadingsBytes {
  readonly #bytes: Uint8Array;
  #at = HEAD_BYTES;

  /** `bytesMax`: at least the size of the fields. */
  constructor(bytesMax: number) {
    this.#bytes = new Uint8Array(HEAD_BYTES + bytesMax);
  }

  varintField(field: number, value: number): void {
    this.#bytes[this.#at++] = field << 3;
    this.#at = writeVarint(this.#bytes, this.#at, value);
  }

  bytesField(field: number, value: Uint8Array): void {
    this.#bytes[this.#at++] = (field << 3) | 2;
    this.#at = writeVarint(this.#bytes, this.#at, value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** One or more encoded fields, with tag and length. */
  encodedField(field: Uint8Array): void {
    this.#bytes.set(field, this.#at);
    this.#at += field.length;
  }

  columnField(field: number, column: VarintColumn | DoubleColumn): void {
    if (column.length > 0) this.bytesField(field, column.view());
  }

  entry(): Uint8Array {
    const length = this.#at - HEAD_BYTES;
    const head = new Uint8Array(HEAD_BYTES);
    head[0] = READINGS_TAG;
    const size = writeVarint(head, 1, length);
    this.#bytes.set(head.subarray(0, size), HEAD_BYTES - size);
    return this.#bytes.subarray(HEAD_BYTES - size, this.#at);
  }
}

/** Returns the position after the number. */
function writeVarint(bytes: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  while (rest > 0x7fffffff) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

// Columns of doubles are copied as they are in memory, and Protobuf requires little-endian.
if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error("Weir needs a little-endian machine");
