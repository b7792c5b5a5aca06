import { PbfWriter } from "pbf";
import { DoubleColumn, ReadingsBytes, TextColumn, VarintColumn } from "./byte-columns.ts";
import { writeTag, writeText } from "./proto-text.ts";
import { type Device, kindOf, type ReadingValue, type Series, type ValueKind } from "./reading.ts";

const KIND_NUMBERS: Readonly<Record<ValueKind, number>> = { number: 1, boolean: 2, string: 3 };

/**
 * A series in the form that frames hold. Keep it for the next reading: it keeps its encoded form and its index in the
 * open frame.
 */
export class FrameSeries {
  readonly series: Series;
  /** The field of the dictionary, with its tag and length. */
  readonly field: Uint8Array;
  /** The frame in which it has this `index`. */
  frame: object | undefined;
  index = 0;

  constructor(series: Series) {
    this.series = series;
    this.field = encodeSeriesField(series);
  }
}

/** How much a frame held at some moment. */
interface Extent {
  series: number;
  seriesIndex: number;
  atDeltas: number;
  numbers: number;
  booleans: number;
  clockAhead: number;
  observedAhead: number;
  texts: number;
  dictionaryBytes: number;
  lastAtUs: number;
  count: number;
}

const NOTHING: Readonly<Extent> = {
  series: 0,
  seriesIndex: 0,
  atDeltas: 0,
  numbers: 0,
  booleans: 0,
  clockAhead: 0,
  observedAhead: 0,
  texts: 0,
  dictionaryBytes: 0,
  lastAtUs: 0,
  count: 0,
};

/**
 * Collects readings into one columnar frame (`proto/weir/v1/log.proto`). Reuse one writer for many frames: `finish`
 * empties it.
 */
export class FrameWriter {
  readonly #known = new WeakMap<Series, FrameSeries>();
  /** Identifies the open frame. */
  #frame: object = {};
  #dictionary: FrameSeries[] = [];
  readonly #seriesIndex = new VarintColumn();
  readonly #atDeltas = new VarintColumn();
  readonly #numbers = new DoubleColumn();
  readonly #booleans = new VarintColumn();
  readonly #clockAhead = new VarintColumn();
  readonly #observedAhead = new VarintColumn();
  readonly #texts = new TextColumn(7);
  #dictionaryBytes = 0;
  #lastAtUs = 0;
  #count = 0;
  readonly #mark: Extent = { ...NOTHING };

  /** Readings added since the last `finish`. */
  get count(): number {
    return this.#count;
  }

  /** An upper bound of what `finish` would return, in bytes. */
  get bytes(): number {
    return (
      64 +
      this.#dictionaryBytes +
      this.#texts.length +
      this.#seriesIndex.length +
      this.#atDeltas.length +
      this.#numbers.length +
      this.#booleans.length +
      this.#clockAhead.length +
      this.#observedAhead.length
    );
  }

  /** Remembers how much the frame holds now, for `undo`. */
  mark(): void {
    const mark = this.#mark;
    mark.series = this.#dictionary.length;
    mark.seriesIndex = this.#seriesIndex.length;
    mark.atDeltas = this.#atDeltas.length;
    mark.numbers = this.#numbers.length;
    mark.booleans = this.#booleans.length;
    mark.clockAhead = this.#clockAhead.length;
    mark.observedAhead = this.#observedAhead.length;
    mark.texts = this.#texts.length;
    mark.dictionaryBytes = this.#dictionaryBytes;
    mark.lastAtUs = this.#lastAtUs;
    mark.count = this.#count;
  }

  /** Drops what was added since `mark`, or since the last `finish`. */
  undo(): void {
    this.#cutTo(this.#mark);
  }

  /** The value's type must be the series' kind. `atUs`: whole, within +-INSTANT_US_MAX. */
  add(series: Series, atUs: number, value: ReadingValue, clockAhead = false): void {
    let known = this.#known.get(series);
    if (known === undefined) {
      known = new FrameSeries(series);
      this.#known.set(series, known);
    }
    this.addTo(known, atUs, value, clockAhead);
  }

  /** Like `add`, for callers that keep the encoded series. */
  addTo(series: FrameSeries, atUs: number, value: ReadingValue, clockAhead = false): void {
    const { kind, metric } = series.series;
    if (kindOf(value) !== kind) throw new TypeError(`${metric} is a ${kind}, got ${typeof value}`);
    if (series.frame !== this.#frame) {
      series.frame = this.#frame;
      series.index = this.#dictionary.length;
      this.#dictionary.push(series);
      this.#dictionaryBytes += series.field.length;
    }
    this.#seriesIndex.push(series.index);
    this.#atDeltas.pushSigned(atUs - this.#lastAtUs);
    this.#lastAtUs = atUs;
    if (typeof value === "number") this.#numbers.push(value);
    else if (typeof value === "boolean") this.#booleans.push(value ? 1 : 0);
    else this.#texts.push(value);
    if (clockAhead) this.#clockAhead.push(this.#count);
    this.#count++;
  }

  /** The reading added last was observed this much after the readings log stored it. */
  noteAhead(aheadUs: number): void {
    this.#observedAhead.push(this.#count - 1);
    this.#observedAhead.push(aheadUs);
  }

  /** The bytes of a LogEntry with these readings; the writer is empty afterwards. */
  finish(receivedAtUs: number): Uint8Array {
    const bytes = new ReadingsBytes(this.bytes + 64);
    bytes.varintField(1, receivedAtUs);
    for (const { field } of this.#dictionary) bytes.encodedField(field);
    bytes.columnField(3, this.#seriesIndex);
    bytes.columnField(4, this.#atDeltas);
    bytes.columnField(5, this.#numbers);
    bytes.columnField(6, this.#booleans);
    bytes.encodedField(this.#texts.view());
    bytes.columnField(8, this.#clockAhead);
    bytes.columnField(9, this.#observedAhead);
    const entry = bytes.entry();
    this.#frame = {};
    this.#dictionary = [];
    this.#cutTo(NOTHING);
    this.mark();
    return entry;
  }

  #cutTo(extent: Readonly<Extent>): void {
    for (const series of this.#dictionary.slice(extent.series)) {
      if (series.frame === this.#frame) series.frame = undefined;
    }
    this.#dictionary.length = extent.series;
    this.#seriesIndex.cutTo(extent.seriesIndex);
    this.#atDeltas.cutTo(extent.atDeltas);
    this.#numbers.cutTo(extent.numbers);
    this.#booleans.cutTo(extent.booleans);
    this.#clockAhead.cutTo(extent.clockAhead);
    this.#observedAhead.cutTo(extent.observedAhead);
    this.#texts.cutTo(extent.texts);
    this.#dictionaryBytes = extent.dictionaryBytes;
    this.#lastAtUs = extent.lastAtUs;
    this.#count = extent.count;
  }
}

/** The bytes of a `weir.v1.Series`: equal for equal series, whatever the order of their tags. */
export function encodeSeries(series: Series): Uint8Array {
  const out = new PbfWriter();
  writeSeries(series, out);
  return out.finish();
}

function encodeSeriesField(series: Series): Uint8Array {
  const out = new PbfWriter();
  out.writeMessage(2, writeSeries, series);
  return out.finish();
}

function writeSeries(series: Series, out: PbfWriter): void {
  writeText(out, 1, series.device);
  writeText(out, 2, series.metric);
  out.writeVarintField(3, KIND_NUMBERS[series.kind]);
  for (const name of Object.keys(series.tags).sort()) {
    out.writeMessage(4, writeTag, [name, series.tags[name] ?? ""] as const);
  }
}

/** A LogEntry that only carries time. */
export function encodeTick(): Uint8Array {
  const out = new PbfWriter();
  out.writeMessage(2, () => {}, undefined);
  return out.finish();
}

/** A LogEntry that says which devices are gone: all their series that have these tags. */
export function encodeGone(devices: readonly Device[]): Uint8Array {
  const out = new PbfWriter();
  out.writeMessage(5, writeGone, devices);
  return out.finish();
}

function writeGone(devices: readonly Device[], out: PbfWriter): void {
  for (const device of devices) out.writeMessage(1, writeDevice, device);
}

function writeDevice({ device, tags }: Device, out: PbfWriter): void {
  writeText(out, 1, device);
  for (const name of Object.keys(tags).sort()) out.writeMessage(2, writeTag, [name, tags[name] ?? ""] as const);
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
