import {
  type DuckDBAppender,
  DuckDBDataChunk,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  type DuckDBVector,
} from "@duckdb/node-api";

const CHUNK_ROWS = 2048;

/** Fills the columns of a chunk, and appends it every 2,048 rows: several times faster than appending cell by cell. */
export class RowChunk {
  readonly #chunk: DuckDBDataChunk;
  readonly #columns: readonly DuckDBVector<DuckDBValue>[];
  #appender: DuckDBAppender | undefined;
  #row = 0;
  #rows = 0;

  constructor(types: readonly DuckDBType[]) {
    this.#chunk = DuckDBDataChunk.create(types, CHUNK_ROWS);
    this.#columns = types.map((_, index) => this.#chunk.getColumnVector(index));
  }

  /** Rows since `begin`. */
  get rows(): number {
    return this.#rows;
  }

  begin(appender: DuckDBAppender): void {
    this.#appender = appender;
    this.#row = 0;
    this.#rows = 0;
  }

  set(column: number, value: DuckDBValue): void {
    this.#columns[column]?.setItem(this.#row, value);
  }

  endRow(): void {
    this.#rows++;
    if (++this.#row === CHUNK_ROWS) this.#append();
  }

  /** Appends the rest. */
  end(): void {
    if (this.#row > 0) this.#append();
    this.#appender = undefined;
  }

  #append(): void {
    for (const column of this.#columns) column.flush();
    this.#chunk.rowCount = this.#row;
    this.#appender?.appendDataChunk(this.#chunk);
    this.#row = 0;
  }
}

export function timestamp(atUs: number): DuckDBTimestampValue {
  return new DuckDBTimestampValue(BigInt(atUs));
}
