import { PbfWriter } from "pbf";
import { DoubleColumn, ReadingsBytes, VarintColumn } from "./byte-columns.ts";
import { writeTag, writeText } from "./proto-text.ts";
import { kindOf, type ReadingValue, type Series, type ValueKind } from "./reading.ts";

const encoder = new TextEncoder();
const KIND_NUMBERS: Readonly<Record<ValueKind, number>> = { number: 1, boolean: 2, string: 3 };

/**
 * Collects readings into one columnar frame (`proto/weir/v1/log.proto`). Reuse one writer for many frames: `finish`
 * empties it. Pass the same Series object for the same series: its encoded form is kept.
 */
export class FrameWriter {
  readonly #encoded = new WeakMap<Series, Uint8Array>();
  readonly #dictionary = new Map<Series, number>();
  readonly #seriesIndex = new VarintColumn();
  readonly #atDeltas = new VarintColumn();
  readonly #numbers = new DoubleColumn();
  readonly #booleans = new VarintColumn();
  readonly #clockAhead = new VarintColumn();
  #strings: string[] = [];
  #dictionaryBytes = 0;
  #stringBytes = 0;
  #lastAtUs = 0;
  #count = 0;

  /** Readings added since the last `finish`. */
  get count(): number {
    return this.#count;
  }

  /** An upper bound of what `finish` would return, in bytes. */
  get bytes(): number {
    return (
      64 +
      this.#dictionaryBytes +
      this.#stringBytes +
      this.#seriesIndex.length +
      this.#atDeltas.length +
      this.#numbers.length +
      this.#booleans.length +
      this.#clockAhead.length
    );
  }

  /** The value's type must be the series' kind. `atUs`: whole, within +-INSTANT_US_MAX. */
  add(series: Series, atUs: number, value: ReadingValue, clockAhead = false): void {
    if (kindOf(value) !== series.kind) throw new TypeError(`${series.metric} is a ${series.kind}, got ${typeof value}`);
    let index = this.#dictionary.get(series);
    if (index === undefined) {
      index = this.#dictionary.size;
      this.#dictionary.set(series, index);
      this.#dictionaryBytes += this.#encode(series).length + 6;
    }
    this.#seriesIndex.push(index);
    this.#atDeltas.pushSigned(atUs - this.#lastAtUs);
    this.#lastAtUs = atUs;
    if (typeof value === "number") this.#numbers.push(value);
    else if (typeof value === "boolean") this.#booleans.push(value ? 1 : 0);
    else this.#addString(value);
    if (clockAhead) this.#clockAhead.push(this.#count);
    this.#count++;
  }

  /** The bytes of a LogEntry with these readings; the writer is empty afterwards. */
  finish(receivedAtUs: number): Uint8Array {
    const bytes = new ReadingsBytes(this.bytes + 64);
    bytes.varintField(1, receivedAtUs);
    for (const series of this.#dictionary.keys()) bytes.bytesField(2, this.#encode(series));
    bytes.columnField(3, this.#seriesIndex);
    bytes.columnField(4, this.#atDeltas);
    bytes.columnField(5, this.#numbers);
    bytes.columnField(6, this.#booleans);
    for (const text of this.#strings) bytes.bytesField(7, encoder.encode(text));
    bytes.columnField(8, this.#clockAhead);
    const entry = bytes.entry();
    this.#clear();
    return entry;
  }

  #encode(series: Series): Uint8Array {
    let bytes = this.#encoded.get(series);
    if (bytes === undefined) {
      bytes = encodeSeries(series);
      this.#encoded.set(series, bytes);
    }
    return bytes;
  }

  #addString(value: string): void {
    this.#strings.push(value);
    this.#stringBytes += value.length * 3 + 6;
  }

  #clear(): void {
    this.#dictionary.clear();
    for (const column of [this.#seriesIndex, this.#atDeltas, this.#numbers, this.#booleans, this.#clockAhead]) {
      column.clear();
    }
    this.#strings = [];
    this.#dictionaryBytes = 0;
    this.#stringBytes = 0;
    this.#lastAtUs = 0;
    this.#count = 0;
  }
}

function encodeSeries(series: Series): Uint8Array {
  const out = new PbfWriter();
  writeText(out, 1, series.device);
  writeText(out, 2, series.metric);
  out.writeVarintField(3, KIND_NUMBERS[series.kind]);
  for (const name of Object.keys(series.tags).sort()) {
    out.writeMessage(4, writeTag, [name, series.tags[name] ?? ""] as const);
  }
  return out.finish();
}

/** A LogEntry that only carries time. */
export function encodeTick(): Uint8Array {
  const out = new PbfWriter();
  out.writeMessage(2, () => {}, undefined);
  return out.finish();
}

/** A LogEntry that says which rules hold from here on. */
export function encodeRuleSet(ruleSet: { readonly version: string; readonly rulesJson: string }): Uint8Array {
  const out = new PbfWriter();
  out.writeMessage(3, writeRuleSet, ruleSet);
  return out.finish();
}

function writeRuleSet(ruleSet: { readonly version: string; readonly rulesJson: string }, out: PbfWriter): void {
  writeText(out, 1, ruleSet.version);
  writeText(out, 2, ruleSet.rulesJson);
}
