import { PbfReader } from "pbf";
import { readTag } from "./proto-text.ts";
import type { Series, ValueKind } from "./reading.ts";
import { seriesKey } from "./reading.ts";

const KINDS: readonly (ValueKind | undefined)[] = [undefined, "number", "boolean", "string"];

/**
 * Numbers series from 0 up, in order of first sight. Finds a series by its encoded bytes, so that a dictionary entry
 * seen before costs a hash and a comparison, and no text.
 */
export class SeriesTable {
  readonly #series: Series[] = [];
  readonly #idOfKey = new Map<string, number>();
  /** Encoded forms by id of form; one series may have several (another writer, another order of fields). */
  readonly #forms: Uint8Array[] = [];
  readonly #formSeries: number[] = [];
  #slots = new Int32Array(1024).fill(-1);

  get size(): number {
    return this.#series.length;
  }

  series(id: number): Series {
    const series = this.#series[id];
    if (series === undefined) throw new RangeError(`no series ${id}`);
    return series;
  }

  /** The id of an equal series; a new one when there is none. */
  idOf(series: Series): number {
    const key = seriesKey(series);
    const known = this.#idOfKey.get(key);
    if (known !== undefined) return known;
    const id = this.#series.length;
    this.#series.push(series);
    this.#idOfKey.set(key, id);
    return id;
  }

  /** The id of the series encoded in `bytes[start, end)`. */
  idOfEncoded(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashBytes(bytes, start, end) & mask;
    for (;;) {
      const form = this.#slots[slot] as number;
      if (form < 0) break;
      if (equalBytes(this.#forms[form] as Uint8Array, bytes, start, end)) return this.#formSeries[form] as number;
      slot = (slot + 1) & mask;
    }
    const form = this.#forms.length;
    const copy = bytes.slice(start, end);
    const id = this.idOf(decodeSeries(copy));
    this.#forms.push(copy);
    this.#formSeries.push(id);
    this.#slots[slot] = form;
    if (this.#forms.length * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (const [form, bytes] of this.#forms.entries()) {
      let slot = hashBytes(bytes, 0, bytes.length) & mask;
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      slots[slot] = form;
    }
    this.#slots = slots;
  }
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  // The low bits of FNV-1a alone spread badly over a power of two.
  return hash ^ (hash >>> 15);
}

function equalBytes(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (known.length !== length) return false;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
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
