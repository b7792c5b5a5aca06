import { PbfReader } from "pbf";
import type { Device } from "./reading.ts";
import type { SeriesTable } from "./series-table.ts";

export { SeriesTable } from "./series-table.ts";

/** One message of the readings log. */
export type LogEntry =
  | ReadingsEntry
  | { readonly kind: "tick" }
  | { readonly kind: "gone"; readonly devices: readonly Device[] }
  | { readonly kind: "rule_set"; readonly version: string; readonly rulesJson: string };

/** Readings in columns: index i of each column is reading i. The columns are valid until the next `read`. */
export interface ReadingsEntry {
  readonly kind: "readings";
  readonly count: number;
  readonly receivedAtUs: number;
  /** Ids in the reader's series table. */
  readonly seriesId: Uint32Array;
  readonly atUs: Float64Array;
  /** Numbers; booleans as 0 or 1; for a string series the index in `texts`. */
  readonly values: Float64Array;
  readonly texts: readonly string[];
  /** Indexes of readings whose clock ran ahead. */
  readonly clockAhead: readonly number[];
  /** In the groups log: pairs of an index and by how many us that reading was observed after it was stored. */
  readonly observedAhead?: readonly number[];
}

/** The times at which readings were stored, of those that were observed later than that, by index. */
export function storedBefore({ atUs, observedAhead = [] }: ReadingsEntry): ReadonlyMap<number, number> {
  const stored = new Map<number, number>();
  for (let i = 0; i + 1 < observedAhead.length; i += 2) {
    const row = observedAhead[i] as number;
    stored.set(row, (atUs[row] as number) - (observedAhead[i + 1] as number));
  }
  return stored;
}

export class BadFrameError extends Error {
  override readonly name = "BadFrameError";
}

interface Span {
  start: number;
  end: number;
}

/** Decodes log entries into reused columns: no allocation per reading. */
export class FrameReader {
  readonly table: SeriesTable;
  #dictionary = new Uint32Array(512);
  #seriesId = new Uint32Array(512);
  #atUs = new Float64Array(512);
  #values = new Float64Array(512);
  readonly #index: Span = { start: 0, end: 0 };
  readonly #times: Span = { start: 0, end: 0 };
  readonly #numbers: Span = { start: 0, end: 0 };
  readonly #booleans: Span = { start: 0, end: 0 };

  constructor(table: SeriesTable) {
    this.table = table;
  }

  /** Throws BadFrameError when the bytes are not a LogEntry. */
  read(payload: Uint8Array): LogEntry {
    try {
      return this.#readEntry(new PbfReader(payload));
    } catch (cause) {
      if (cause instanceof BadFrameError) throw cause;
      throw new BadFrameError(`not a log entry (${payload.length} bytes)`, { cause });
    }
  }

  #readEntry(pbf: PbfReader): LogEntry {
    while (pbf.pos < pbf.length) {
      const tag = pbf.readVarint();
      if (tag === 10) return this.#readReadings(pbf, pbf.readVarint() + pbf.pos);
      if (tag === 18) return { kind: "tick" };
      if (tag === 26) return readRuleSet(pbf);
      if (tag === 42) return { kind: "gone", devices: readGone(pbf) };
      pbf.skip(tag);
    }
    throw new BadFrameError("a log entry without content");
  }

  #readReadings(pbf: PbfReader, end: number): ReadingsEntry {
    if (end > pbf.length) throw new BadFrameError("the entry is cut short");
    for (const span of [this.#index, this.#times, this.#numbers, this.#booleans]) span.start = span.end = 0;
    let receivedAtUs = 0;
    let dictionarySize = 0;
    const texts: string[] = [];
    let clockAhead: number[] = [];
    let observedAhead: number[] | undefined;
    while (pbf.pos < end) {
      const tag = pbf.readVarint();
      switch (tag) {
        case 8:
          receivedAtUs = pbf.readVarint(true);
          break;
        case 18:
          this.#addToDictionary(dictionarySize++, pbf);
          break;
        case 26:
          takeSpan(this.#index, pbf);
          break;
        case 34:
          takeSpan(this.#times, pbf);
          break;
        case 42:
          takeSpan(this.#numbers, pbf);
          break;
        case 50:
          takeSpan(this.#booleans, pbf);
          break;
        case 58:
          texts.push(pbf.readString());
          break;
        case 66:
          clockAhead = readPositions(pbf);
          break;
        case 74:
          observedAhead = readPositions(pbf);
          break;
        default:
          pbf.skip(tag);
      }
    }
    const count = this.#readIndexes(pbf.buf, dictionarySize);
    this.#readTimes(pbf.buf, count);
    this.#readValues(pbf.buf, count, texts);
    return {
      kind: "readings",
      count,
      receivedAtUs,
      seriesId: this.#seriesId,
      atUs: this.#atUs,
      values: this.#values,
      texts,
      clockAhead,
      ...(observedAhead && { observedAhead }),
    };
  }

  #addToDictionary(position: number, pbf: PbfReader): void {
    const end = pbf.readVarint() + pbf.pos;
    if (position === this.#dictionary.length) {
      const more = new Uint32Array(position * 2);
      more.set(this.#dictionary);
      this.#dictionary = more;
    }
    this.#dictionary[position] = this.table.idOfEncoded(pbf.buf, pbf.pos, end);
    pbf.pos = end;
  }

  #readIndexes(buf: Uint8Array, dictionarySize: number): number {
    const { start, end } = this.#index;
    // A varint has at least one byte, so there are at most as many readings as bytes.
    this.#reserve(end - start);
    let count = 0;
    let at = start;
    while (at < end) {
      let byte = buf[at++] as number;
      let index = byte & 0x7f;
      for (let shift = 7; byte > 0x7f; shift += 7) {
        byte = buf[at++] as number;
        index |= (byte & 0x7f) << shift;
      }
      if (index >= dictionarySize)
        throw new BadFrameError(`reading ${count} names series ${index} of ${dictionarySize}`);
      this.#seriesId[count++] = this.#dictionary[index] as number;
    }
    return count;
  }

  #readTimes(buf: Uint8Array, count: number): void {
    const { start, end } = this.#times;
    const atUs = this.#atUs;
    let at = start;
    let last = 0;
    for (let i = 0; i < count; i++) {
      if (at >= end) throw new BadFrameError(`${count} readings, ${i} times`);
      let byte = buf[at++] as number;
      if (byte < 0x80) {
        last += byte & 1 ? -(byte + 1) / 2 : byte / 2;
      } else {
        let delta = byte & 0x7f;
        for (let scale = 128; byte > 0x7f; scale *= 128) {
          byte = buf[at++] as number;
          delta += (byte & 0x7f) * scale;
        }
        last += delta % 2 === 1 ? -(delta + 1) / 2 : delta / 2;
      }
      atUs[i] = last;
    }
    if (at !== end) throw new BadFrameError(`${count} readings, and times for more`);
  }

  #readValues(buf: Uint8Array, count: number, texts: readonly string[]): void {
    const numbers = (this.#numbers.end - this.#numbers.start) / 8;
    const booleans = this.#booleans.end - this.#booleans.start;
    if (numbers + booleans + texts.length !== count) {
      throw new BadFrameError(`${count} readings, ${numbers + booleans + texts.length} values`);
    }
    const values = this.#values;
    // The copy also aligns the doubles.
    new Uint8Array(values.buffer).set(buf.subarray(this.#numbers.start, this.#numbers.end));
    if (numbers === count) return;
    // Backwards, so that no number is overwritten before it is moved.
    let number = numbers;
    let boolean = this.#booleans.end;
    let text = texts.length;
    for (let i = count - 1; i >= 0; i--) {
      const kind = this.table.kind(this.#seriesId[i] as number);
      if (kind === "number") values[i] = values[--number] as number;
      else if (kind === "boolean") values[i] = buf[--boolean] as number;
      else values[i] = --text;
    }
  }

  #reserve(count: number): void {
    if (count <= this.#seriesId.length) return;
    const size = 2 ** Math.ceil(Math.log2(count));
    this.#seriesId = new Uint32Array(size);
    this.#atUs = new Float64Array(size);
    this.#values = new Float64Array(size);
  }
}

function takeSpan(span: Span, pbf: PbfReader): void {
  const length = pbf.readVarint();
  span.start = pbf.pos;
  span.end = pbf.pos + length;
  if (span.end > pbf.length) throw new BadFrameError("a column is cut short");
  pbf.pos = span.end;
}

function readPositions(pbf: PbfReader): number[] {
  const end = pbf.readVarint() + pbf.pos;
  const positions: number[] = [];
  while (pbf.pos < end) positions.push(pbf.readVarint());
  return positions;
}

function readRuleSet(pbf: PbfReader): LogEntry {
  const fields = { version: "", rulesJson: "" };
  pbf.readMessage((field, into, inner) => {
    if (field === 1) into.version = inner.readString();
    else if (field === 2) into.rulesJson = inner.readString();
  }, fields);
  return { kind: "rule_set", ...fields };
}

function readGone(pbf: PbfReader): Device[] {
  const devices: Device[] = [];
  pbf.readMessage((field, into, inner) => {
    if (field === 1) into.push(inner.readMessage(readGoneDevice, { device: "", tags: {} }));
  }, devices);
  return devices;
}

function readGoneDevice(field: number, into: { device: string; tags: Record<string, string> }, pbf: PbfReader): void {
  if (field === 1) into.device = pbf.readString();
  else if (field === 2) {
    const tag = { name: "", value: "" };
    pbf.readMessage((inner, of, from) => {
      if (inner === 1) of.name = from.readString();
      else if (inner === 2) of.value = from.readString();
    }, tag);
    into.tags[tag.name] = tag.value;
  }
}
