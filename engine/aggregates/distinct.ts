import type { ObjectState } from "./object-state.ts";

/** The count is exact up to this many distinct values. Beyond, its standard error is 1 / sqrt(this - 2) = 1.6 %. */
const KEPT = 4096;
const RANGE = 2 ** 53;

/**
 * Counts distinct values by keeping the smallest hashes. Few hashes are all kept. After that, the density of the
 * smallest ones gives the count (Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", 2002). The count
 * depends only on the set of values.
 */
export class Distinct implements ObjectState {
  #hashes = new Set<number>();
  /** The largest hash to keep, once some have been dropped. */
  #limit = RANGE;

  add(_atUs: number, value: number, text: string | undefined): void {
    this.#addHash(text === undefined ? hashNumber(value) : hashText(text));
  }

  merge(other: Distinct): void {
    if (other.#limit < this.#limit) this.#keepBelow(other.#limit);
    for (const hash of other.#hashes) this.#addHash(hash);
  }

  get count(): number {
    if (this.#hashes.size > KEPT) this.#cut();
    if (this.#limit === RANGE) return this.#hashes.size;
    // `limit` is the KEPT-th smallest hash.
    return Math.round((KEPT - 1) / (this.#limit / RANGE));
  }

  snapshot(): Float64Array {
    return Float64Array.from([this.#limit, ...[...this.#hashes].sort((a, b) => a - b)]);
  }

  static restore(snapshot: Float64Array): Distinct {
    const distinct = new Distinct();
    distinct.#limit = snapshot[0] ?? RANGE;
    distinct.#hashes = new Set(snapshot.subarray(1));
    return distinct;
  }

  #addHash(hash: number): void {
    if (hash > this.#limit) return;
    this.#hashes.add(hash);
    // Sorting is expensive, so cut rarely.
    if (this.#hashes.size > (this.#limit === RANGE ? KEPT : 2 * KEPT)) this.#cut();
  }

  #cut(): void {
    const sorted = Float64Array.from(this.#hashes).sort();
    this.#keepBelow(sorted[KEPT - 1] as number);
  }

  #keepBelow(limit: number): void {
    this.#limit = limit;
    for (const hash of this.#hashes) if (hash > limit) this.#hashes.delete(hash);
  }
}

const bits = new DataView(new ArrayBuffer(8));

function hashNumber(value: number): number {
  // 0 and -0 are the same value.
  bits.setFloat64(0, value === 0 ? 0 : value);
  return mix(bits.getUint32(0), bits.getUint32(4));
}

/** Two independent multiplicative hashes over UTF-16 units, then mixed. */
function hashText(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  return mix(a, b ^ text.length);
}

/** 53 well-spread bits of two words, by the finalizer of MurmurHash3 (Austin Appleby, public domain). */
function mix(high: number, low: number): number {
  const a = finalize(high ^ Math.imul(low, 0x9e3779b1));
  const b = finalize(low ^ a);
  return (finalize(a ^ Math.imul(b, 0x85ebca77)) >>> 0) * 2 ** 21 + (b >>> 11);
}

function finalize(word: number): number {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
