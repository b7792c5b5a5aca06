import { DOUBLE, type DuckDBConnection, UINTEGER, VARCHAR } from "@duckdb/node-api";
import { grown } from "../../domain/grown.ts";
import { RowChunk } from "./row-chunk.ts";

export function savedOf(name: "readings" | "windows"): string {
  return `SELECT id::DOUBLE, us FROM newest_saved WHERE of = '${name}'`;
}

/** The newest stored time for each dictionary id: eight bytes per id, whatever the number of rows. */
export class Newest {
  #atUs = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY);

  /** The query returns rows of id and microseconds, both as doubles. */
  async load(connection: DuckDBConnection, query: string): Promise<void> {
    this.#atUs.fill(Number.NEGATIVE_INFINITY);
    const result = await connection.stream(query);
    for await (const rows of result.yieldRows()) {
      for (const [id, atUs] of rows) {
        this.reserve(Number(id) + 1);
        this.#atUs[Number(id)] = Number(atUs);
      }
    }
  }

  /** Saves the times in the file, in the open transaction. `load(savedOf(...))` reads them. */
  async save(connection: DuckDBConnection, name: string): Promise<void> {
    const rows = new RowChunk([VARCHAR, UINTEGER, DOUBLE]);
    rows.begin(await connection.createAppender("newest_saved"));
    for (const [id, atUs] of this.#atUs.entries()) {
      if (atUs === Number.NEGATIVE_INFINITY) continue;
      rows.set(0, name);
      rows.set(1, id);
      rows.set(2, atUs);
      rows.endRow();
    }
    rows.end();
  }

  /** Makes room for ids below `size`. */
  reserve(size: number): void {
    this.#atUs = grown(this.#atUs, size, Number.NEGATIVE_INFINITY);
  }

  /** Returns whether the time is later than all earlier ones; if so, remembers it. */
  advance(id: number, atUs: number): boolean {
    if (atUs <= (this.#atUs[id] as number)) return false;
    this.#atUs[id] = atUs;
    return true;
  }
}
