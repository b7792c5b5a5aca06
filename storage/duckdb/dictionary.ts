import type { DuckDBConnection } from "@duckdb/node-api";

import { append } from "./append.ts";

/** A table that numbers rows of texts. Ids are dense and start at 0, so they can index arrays. */
export class Dictionary {
  readonly #connection: DuckDBConnection;
  readonly #table: string;
  readonly #columns: readonly string[];
  readonly #ownerColumn: string | undefined;
  #size = 0;

  /** `ownerColumn` is a number stored with each row that is not part of the row's identity. */
  constructor(
    connection: DuckDBConnection,
    options: { readonly table: string; readonly columns: readonly string[]; readonly ownerColumn?: string },
  ) {
    this.#connection = connection;
    this.#table = options.table;
    this.#columns = options.columns;
    this.#ownerColumn = options.ownerColumn;
  }

  get size(): number {
    return this.#size;
  }

  async load(): Promise<void> {
    const reader = await this.#connection.runAndReadAll(`SELECT coalesce(max(id) + 1, 0)::DOUBLE FROM ${this.#table}`);
    this.#size = Number(reader.getRows()[0]?.[0]);
  }

  /** Returns the ids of distinct rows. Adds unknown rows in the open transaction. */
  async resolve(rows: readonly (readonly string[])[], owners?: ArrayLike<number>): Promise<Uint32Array> {
    const ids = new Uint32Array(rows.length);
    const known = new Uint8Array(rows.length);
    for (const [place, id] of await this.#find(rows)) {
      ids[place] = id;
      known[place] = 1;
    }
    await append(this.#connection, this.#table, (appender) => {
      for (const [place, row] of rows.entries()) {
        if (known[place] === 1) continue;
        ids[place] = this.#size;
        appender.appendUInteger(this.#size++);
        if (this.#ownerColumn !== undefined) appender.appendUInteger(owners?.[place] ?? 0);
        for (const text of row) appender.appendVarchar(text);
        appender.endRow();
      }
    });
    return ids;
  }

  async #find(rows: readonly (readonly string[])[]): Promise<readonly (readonly [number, number])[]> {
    if (this.#size === 0) return [];
    const names = this.#columns.join(", ");
    const columns = this.#columns.map((name) => `${name} VARCHAR`).join(", ");
    await this.#connection.run(`CREATE OR REPLACE TEMP TABLE wanted(place UINTEGER, ${columns})`);
    await append(this.#connection, "wanted", (appender) => {
      for (const [place, row] of rows.entries()) {
        appender.appendUInteger(place);
        for (const text of row) appender.appendVarchar(text);
        appender.endRow();
      }
    });
    const reader = await this.#connection.runAndReadAll(
      `SELECT w.place, d.id FROM wanted w JOIN ${this.#table} d USING (${names})`,
    );
    await this.#connection.run("DROP TABLE wanted");
    return reader.getRows().map(([place, id]) => [Number(place), Number(id)] as const);
  }
}
