import { DOUBLE, type DuckDBConnection, UINTEGER, VARCHAR } from "@duckdb/node-api";
import { grown } from "../../domain/grown.ts";
import { append } from "./append.ts";
import { RowChunk } from "./row-chunk.ts";

export function savedOf(name: "readings" | "windows"): string {
  return `SELECT id::DOUBLE, us FROM newest_saved WHERE of = '${name}'`;
}

/** The newest stored time for each dictionary id: eight bytes per id, whatever the number of rows. */
export class Newest {
  #atUs = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY);
  /** The times at `begin`, until `commit`. */
  #before = new Float64Array(0);
  #hasBegun = false;

  /** The query returns rows of id and microseconds, both as doubles. */
  async load(connection: DuckDBConnection, query: string): Promise<void> {
    this.#atUs.fill(Number.NEGATIVE_INFINITY);
    this.#hasBegun = false;
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
    await append(connection, "newest_saved", (appender) => {
      rows.begin(appender);
      for (const [id, atUs] of this.#atUs.entries()) {
        if (atUs === Number.NEGATIVE_INFINITY) continue;
        rows.set(0, name);
        rows.set(1, id);
        rows.set(2, atUs);
        rows.endRow();
      }
      rows.end();
    });
  }

  /** Remembers the times, for a `rollback` before the `commit`. */
  begin(): void {
    this.#hasBegun = true;
    if (this.#before.length !== this.#atUs.length) this.#before = new Float64Array(this.#atUs.length);
    this.#before.set(this.#atUs);
  }

  commit(): void {
    this.#hasBegun = false;
  }

  rollback(): void {
    if (!this.#hasBegun) return;
    this.#hasBegun = false;
    this.#atUs.fill(Number.NEGATIVE_INFINITY);
    this.#atUs.set(this.#before);
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
