import { PbfReader } from "pbf";
import { encodeSeries } from "./frame-writer.ts";
import { grown } from "./grown.ts";
import { readTag } from "./proto-text.ts";
import type { Series, ValueKind } from "./reading.ts";

const KINDS: readonly (ValueKind | undefined)[] = [undefined, "number", "boolean", "string"];
/** A LogEntry's series has its kind in this field. */
const KIND_FIELD = 3;
const BYTES_AT_FIRST = 4096;
/** Fewer released series are not worth the work. */
const RELEASED_AT_LEAST = 1_000;

/**
 * Numbers series from 0 up, in the order in which they first appear. Finds a series by its encoded bytes, so that a
 * known dictionary entry costs a hash and a comparison, and no text. All forms share one array: a series costs little
 * more than its names.
 */
export class SeriesTable {
  readonly #keepsSeries: boolean;
  readonly #decoded: (Series | undefined)[] = [];
  readonly #kinds: (ValueKind | undefined)[] = [];
  /** By series: its form from `encodeSeries`; -1 where the id is free. */
  readonly #ownForm: number[] = [];
  /** Encoded forms by number; one series may have several (another writer, another order of fields). */
  #formSeries: number[] = [];
  #formEnd: number[] = [];
  /** Released ids that still have their forms. */
  readonly #released = new Set<number>();
  readonly #free: number[] = [];
  #bytes = new Uint8Array(BYTES_AT_FIRST);
  #slots = new Int32Array(1024).fill(-1);

  /** `keepsSeries: false` decodes a series again on every call: for callers that need each one once. */
  constructor({ keepsSeries = true } = {}) {
    this.#keepsSeries = keepsSeries;
  }

  /** Ids are below this. */
  get size(): number {
    return this.#ownForm.length;
  }

  /** The length of all encoded forms: about how much memory the names take. */
  get bytes(): number {
    return this.#startOf(this.#formSeries.length);
  }

  /** The number of series, without released ones. */
  get count(): number {
    return this.#ownForm.length - this.#free.length - this.#released.size;
  }

  /**
   * The caller no longer needs the series. Its id goes to another one later, unless the series appears again before.
   * Bytes of released series are dropped together, when they are as many as the others.
   */
  release(id: number): void {
    if (this.#ownForm[id] === undefined || this.#ownForm[id] < 0) return;
    this.#released.add(id);
    if (this.#released.size > RELEASED_AT_LEAST && this.#released.size > this.count) this.#compact();
  }

  series(id: number): Series {
    const known = this.#decoded[id];
    if (known !== undefined) return known;
    const series = decodeSeries(this.encoded(id));
    if (this.#keepsSeries) this.#decoded[id] = series;
    return series;
  }

  kind(id: number): ValueKind {
    const kind = this.#kinds[id];
    if (kind === undefined) throw new RangeError(`no series ${id}`);
    return kind;
  }

  /** The encoded series, as `encodeSeries` writes it; valid until the table grows. */
  encoded(id: number): Uint8Array {
    const form = this.#ownForm[id];
    if (form === undefined || form < 0) throw new RangeError(`no series ${id}`);
    return this.#bytes.subarray(this.#startOf(form), this.#formEnd[form]);
  }

  /** The id of an equal series, or a new id. */
  idOf(series: Series): number {
    const bytes = encodeSeries(series);
    return this.idOfEncoded(bytes, 0, bytes.length);
  }

  /** The series that differ from this one only in the kind of their values. Costs no decoding. */
  otherKinds(id: number): number[] {
    const bytes = this.encoded(id).slice();
    const place = kindPlaceIn(bytes);
    const own = bytes[place];
    const found: number[] = [];
    for (let kind = 1; kind < KINDS.length; kind++) {
      if (kind === own) continue;
      bytes[place] = kind;
      const form = this.#slots[this.#slotOf(bytes, 0, bytes.length)] as number;
      const other = form < 0 ? -1 : (this.#formSeries[form] as number);
      if (other >= 0 && !this.#released.has(other)) found.push(other);
    }
    return found;
  }

  /** The id of the series encoded in `bytes[start, end)`. */
  idOfEncoded(bytes: Uint8Array, start: number, end: number): number {
    const slot = this.#slotOf(bytes, start, end);
    const known = this.#slots[slot] as number;
    if (known >= 0) return this.#seriesOf(known);
    const series = decodeSeries(bytes.subarray(start, end));
    const own = encodeSeries(series);
    const isOwn = equalBytes(own, 0, own.length, bytes, start, end);
    if (isOwn) return this.#addSeries(series, own, slot);
    const ownSlot = this.#slotOf(own, 0, own.length);
    const ownForm = this.#slots[ownSlot] as number;
    const id = ownForm >= 0 ? this.#seriesOf(ownForm) : this.#addSeries(series, own, ownSlot);
    this.#addForm(id, bytes, start, end);
    return id;
  }

  /** `idOfEncoded` for bytes that `encodeSeries` wrote. */
  idOfOwn(own: Uint8Array): number {
    const slot = this.#slotOf(own, 0, own.length);
    const known = this.#slots[slot] as number;
    if (known >= 0) return this.#seriesOf(known);
    const id = this.#free.pop() ?? this.#ownForm.length;
    this.#kinds[id] = decodeKind(own);
    this.#ownForm[id] = this.#formSeries.length;
    this.#putForm(id, own, 0, own.length, slot);
    return id;
  }

  #addSeries(series: Series, own: Uint8Array, slot: number): number {
    const id = this.#free.pop() ?? this.#ownForm.length;
    this.#kinds[id] = series.kind;
    this.#ownForm[id] = this.#formSeries.length;
    if (this.#keepsSeries) this.#decoded[id] = series;
    this.#putForm(id, own, 0, own.length, slot);
    return id;
  }

  #addForm(id: number, bytes: Uint8Array, start: number, end: number): void {
    this.#putForm(id, bytes, start, end, this.#slotOf(bytes, start, end));
  }

  #putForm(id: number, bytes: Uint8Array, start: number, end: number, slot: number): void {
    const form = this.#formSeries.length;
    const at = this.#startOf(form);
    const needed = at + end - start;
    this.#bytes = grown(this.#bytes, needed);
    this.#bytes.set(bytes.subarray(start, end), at);
    this.#formSeries.push(id);
    this.#formEnd.push(needed);
    this.#slots[slot] = form;
    if (this.#formSeries.length * 2 > this.#slots.length) this.#rehash(this.#slots.length * 2);
  }

  /** The series of a form. It is needed again if it was released. */
  #seriesOf(form: number): number {
    const id = this.#formSeries[form] as number;
    if (this.#released.size > 0) this.#released.delete(id);
    return id;
  }

  #compact(): void {
    const { length } = this.#formSeries;
    const bytes = new Uint8Array(this.#bytes.length);
    const formSeries: number[] = [];
    const formEnd: number[] = [];
    for (let form = 0; form < length; form++) {
      const id = this.#formSeries[form] as number;
      if (this.#released.has(id)) continue;
      if (this.#ownForm[id] === form) this.#ownForm[id] = formSeries.length;
      const at = formEnd.at(-1) ?? 0;
      const encoded = this.#bytes.subarray(this.#startOf(form), this.#formEnd[form]);
      bytes.set(encoded, at);
      formEnd.push(at + encoded.length);
      formSeries.push(id);
    }
    for (const id of this.#released) {
      this.#ownForm[id] = -1;
      this.#kinds[id] = undefined;
      this.#decoded[id] = undefined;
      this.#free.push(id);
    }
    this.#released.clear();
    this.#bytes = bytes.slice(0, Math.max(BYTES_AT_FIRST, formEnd.at(-1) ?? 0));
    this.#formSeries = formSeries;
    this.#formEnd = formEnd;
    this.#rehash(this.#slots.length);
  }

  #startOf(form: number): number {
    return form === 0 ? 0 : (this.#formEnd[form - 1] as number);
  }

  /** The slot of an equal form, or the free slot for it. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashBytes(bytes, start, end) & mask;
    for (;;) {
      const form = this.#slots[slot] as number;
      if (form < 0) return slot;
      if (equalBytes(this.#bytes, this.#startOf(form), this.#formEnd[form] as number, bytes, start, end)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #rehash(length: number): void {
    const slots = new Int32Array(length).fill(-1);
    const mask = slots.length - 1;
    for (const [form, end] of this.#formEnd.entries()) {
      let slot = hashBytes(this.#bytes, this.#startOf(form), end) & mask;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      slots[slot] = form;
    }
    this.#slots = slots;
  }
}

/** FNV-1a over words of four bytes, then mixed: its low bits alone spread badly over a power of two. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 ^ (end - start);
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    hash = Math.imul(hash ^ word, 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}

function equalBytes(
  known: Uint8Array,
  knownStart: number,
  knownEnd: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const length = end - start;
  if (knownEnd - knownStart !== length) return false;
  for (let i = 0; i < length; i++) if (known[knownStart + i] !== bytes[start + i]) return false;
  return true;
}

/** Where `encodeSeries` writes the kind: behind device and metric, each with its length before it. */
function kindPlaceIn(bytes: Uint8Array): number {
  const pbf = new PbfReader(bytes);
  for (let tag = pbf.readVarint(); tag >> 3 !== KIND_FIELD; tag = pbf.readVarint()) pbf.skip(tag);
  return pbf.pos;
}

function decodeKind(bytes: Uint8Array): ValueKind {
  const fields = { kind: 0 };
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 3) into.kind = pbf.readVarint();
  }, fields);
  const kind = KINDS[fields.kind];
  if (kind === undefined) throw new RangeError(`a series has unknown kind ${fields.kind}`);
  return kind;
}

function decodeSeries(bytes: Uint8Array): Series {
  const fields = { device: "", metric: "", kind: 0, tags: {} as Record<string, string> };
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.device = pbf.readString();
    else if (field === 2) into.metric = pbf.readString();
    else if (field === 3) into.kind = pbf.readVarint();
    else if (field === 4) {
      const [name, value] = readTag(pbf);
      into.tags[name] = value;
    }
  }, fields);
  const kind = KINDS[fields.kind];
  if (kind === undefined)
    throw new RangeError(`series ${fields.device}/${fields.metric} has unknown kind ${fields.kind}`);
  return { device: fields.device, metric: fields.metric, tags: fields.tags, kind };
}
