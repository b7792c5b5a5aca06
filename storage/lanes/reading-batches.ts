import { at } from "../../domain/at.ts";
import { FrameReader, type ReadingsEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { INSTANT_US_MAX } from "../../domain/time.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { isTooLarge, readingText, SERIES_BYTES_MAX } from "../common/batch-rows.ts";
import type { Batch, Position } from "../common/store.ts";
import { NO_POSITION } from "../common/store.ts";

/** A row of a message that no store can hold. */
export interface RefusedRow {
  readonly detail: string;
  readonly text: string;
}

/** Gathers the contents of log messages for the next write. */
export interface BatchBuilder {
  /** Returns the rows that it left out. Throws when the message cannot be read, without changing anything. */
  add(message: LogMessage): readonly RefusedRow[];
  /** Skips a message without content: only the position advances. */
  skip(message: LogMessage): void;
  readonly rows: number;
  /** Log messages since the last batch. */
  readonly messages: number;
  readonly full: boolean;
  /** Returns the gathered content; the builder starts the next batch. */
  take(): Batch;
  /** Reuses the memory of a written batch. */
  recycle(batch: Batch): void;
  clear(): void;
}

const TEXT_BYTES_MAX = 8 * 1024 * 1024;
/** The names of new series in one batch. */
const NAME_BYTES_MAX = 8 * 1024 * 1024;
/** All names in memory. */
const TABLE_BYTES_MAX = 128 * 1024 * 1024;
const SPARES_MAX = 3;
const NONE: readonly RefusedRow[] = [];

interface Columns {
  seriesId: Uint32Array;
  atUs: Float64Array;
  values: Float64Array;
}

/** Collects the readings of many log entries in one set of columns. Ticks and rule sets only advance the position. */
export class ReadingsBuilder implements BatchBuilder {
  readonly #rowsMax: number;
  readonly #seriesMax: number;
  readonly #spares: Columns[] = [];
  #reader = new FrameReader(new SeriesTable());
  #columns: Columns;
  #texts: string[] = [];
  #textBytes = 0;
  #rows = 0;
  #messages = 0;
  /** The table's size when the batch began. */
  #tableBytes = 0;
  /** Series up to here are checked. */
  #checked = 0;
  readonly #tooLarge = new Set<number>();
  #position: Position = NO_POSITION;

  constructor(limits: { readonly rowsMax: number; readonly seriesMax: number }) {
    this.#rowsMax = limits.rowsMax;
    this.#seriesMax = limits.seriesMax;
    this.#columns = columnsFor(limits.rowsMax);
  }

  get rows(): number {
    return this.#rows;
  }

  get messages(): number {
    return this.#messages;
  }

  get full(): boolean {
    return (
      this.#rows >= this.#rowsMax ||
      this.#textBytes >= TEXT_BYTES_MAX ||
      this.#reader.table.bytes - this.#tableBytes >= NAME_BYTES_MAX
    );
  }

  add(message: LogMessage): readonly RefusedRow[] {
    const entry = this.#reader.read(message.payload);
    let refused = NONE;
    if (entry.kind === "readings") {
      this.#findTooLarge();
      this.#reserve(this.#rows + entry.count);
      if (this.#hasFaults(entry)) refused = this.#addFaultless(entry);
      else this.#addAll(entry);
    }
    this.skip(message);
    return refused;
  }

  skip(message: LogMessage): void {
    this.#position = { sequence: message.sequence, storedAtUs: message.storedAtUs };
    this.#messages++;
  }

  take(): Batch {
    const readings = {
      count: this.#rows,
      table: this.#reader.table,
      texts: this.#texts,
      ...this.#columns,
    };
    const batch: Batch = { stream: "READINGS", position: this.#position, readings };
    this.#columns = this.#spares.pop() ?? columnsFor(this.#rowsMax);
    this.clear();
    // The table never forgets a series. A new table bounds memory when names change constantly.
    if (this.#reader.table.size > this.#seriesMax || this.#reader.table.bytes > TABLE_BYTES_MAX) this.#forgetNames();
    return batch;
  }

  recycle(batch: Batch): void {
    if (batch.stream !== "READINGS" || this.#spares.length >= SPARES_MAX) return;
    const { seriesId, atUs, values } = batch.readings;
    this.#spares.push({ seriesId, atUs, values });
  }

  clear(): void {
    this.#texts = [];
    this.#textBytes = 0;
    this.#rows = 0;
    this.#messages = 0;
    this.#tableBytes = this.#reader.table.bytes;
  }

  #forgetNames(): void {
    this.#reader = new FrameReader(new SeriesTable());
    this.#tableBytes = 0;
    this.#checked = 0;
    this.#tooLarge.clear();
  }

  #addAll({ count, seriesId, atUs, values, texts }: ReadingsEntry): void {
    const columns = this.#columns;
    columns.seriesId.set(seriesId.subarray(0, count), this.#rows);
    columns.atUs.set(atUs.subarray(0, count), this.#rows);
    columns.values.set(values.subarray(0, count), this.#rows);
    if (texts.length > 0) this.#addTexts(texts, count);
    this.#rows += count;
  }

  #addFaultless(entry: ReadingsEntry): RefusedRow[] {
    const { table } = this.#reader;
    const columns = this.#columns;
    const refused: RefusedRow[] = [];
    let kept = 0;
    for (let i = 0; i < entry.count; i++) {
      const [id, us] = [at(entry.seriesId, i), at(entry.atUs, i)];
      const detail = this.#faultOf(id, us);
      if (detail !== undefined) {
        refused.push({ detail, text: readingText({ ...entry, table }, i) });
        continue;
      }
      columns.seriesId[this.#rows + kept] = id;
      columns.atUs[this.#rows + kept] = us;
      columns.values[this.#rows + kept] = at(entry.values, i);
      kept++;
    }
    if (entry.texts.length > 0) this.#addTexts(entry.texts, kept);
    this.#rows += kept;
    return refused;
  }

  #hasFaults({ count, seriesId, atUs }: ReadingsEntry): boolean {
    const anyTooLarge = this.#tooLarge.size > 0;
    for (let i = 0; i < count; i++) {
      if (!(Math.abs(atUs[i] as number) <= INSTANT_US_MAX)) return true;
      if (anyTooLarge && this.#tooLarge.has(seriesId[i] as number)) return true;
    }
    return false;
  }

  #faultOf(id: number, atUs: number): string | undefined {
    if (!(Math.abs(atUs) <= INSTANT_US_MAX)) return `the time, ${atUs} microseconds, is out of range`;
    if (!this.#tooLarge.has(id)) return undefined;
    const { length } = this.#reader.table.encoded(id);
    return `the names of its series have ${length} bytes, at most ${SERIES_BYTES_MAX}`;
  }

  /** Checks the series that are new in the table. */
  #findTooLarge(): void {
    const { table } = this.#reader;
    for (; this.#checked < table.size; this.#checked++) {
      if (isTooLarge(table, this.#checked)) this.#tooLarge.add(this.#checked);
    }
  }

  /** Translates indexes into the frame's texts to indexes into the batch's. */
  #addTexts(texts: readonly string[], count: number): void {
    const shift = this.#texts.length;
    for (const text of texts) {
      this.#texts.push(text);
      this.#textBytes += text.length;
    }
    if (shift === 0) return;
    const { seriesId, values } = this.#columns;
    for (let i = this.#rows; i < this.#rows + count; i++) {
      const { kind } = this.#reader.table.series(seriesId[i] as number);
      if (kind === "string") values[i] = (values[i] as number) + shift;
    }
  }

  #reserve(rows: number): void {
    if (rows <= this.#columns.atUs.length) return;
    const larger = columnsFor(Math.max(rows, this.#columns.atUs.length * 2));
    larger.seriesId.set(this.#columns.seriesId);
    larger.atUs.set(this.#columns.atUs);
    larger.values.set(this.#columns.values);
    this.#columns = larger;
  }
}

function columnsFor(rows: number): Columns {
  return { seriesId: new Uint32Array(rows), atUs: new Float64Array(rows), values: new Float64Array(rows) };
}
