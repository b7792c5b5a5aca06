import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Batch, Position } from "../common/store.ts";
import { NO_POSITION } from "../common/store.ts";

/** Gathers the contents of log messages for the next write. */
export interface BatchBuilder {
  /** Throws when the message cannot be read, without changing anything. */
  add(message: LogMessage): void;
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
const SPARES_MAX = 3;

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
    return this.#rows >= this.#rowsMax || this.#textBytes >= TEXT_BYTES_MAX;
  }

  add(message: LogMessage): void {
    const entry = this.#reader.read(message.payload);
    if (entry.kind === "readings") {
      const { count, texts } = entry;
      this.#reserve(this.#rows + count);
      const { seriesId, atUs, values } = this.#columns;
      seriesId.set(entry.seriesId.subarray(0, count), this.#rows);
      atUs.set(entry.atUs.subarray(0, count), this.#rows);
      values.set(entry.values.subarray(0, count), this.#rows);
      if (texts.length > 0) this.#addTexts(texts, count);
      this.#rows += count;
    }
    this.skip(message);
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
    if (this.#reader.table.size > this.#seriesMax) this.#reader = new FrameReader(new SeriesTable());
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
