import { reasonOf } from "../../domain/reason.ts";

/**
 * What a failed write is caused by. `store`: the file, the disk or the connection, so every write fails until that is
 * over. `memory`: this much at once does not fit. `rows`: anything else, such as a value that a column refuses.
 */
export type FailureCause = "store" | "memory" | "rows";

const MEMORY = /out of memory|failed to (pin|allocate)|memory limit|could not allocate|allocation fail/i;

// DuckDB has no error codes, and its appenders drop even the class of an error. What says that a write did not reach the
// disk must never count against the rows, so this is broad.
const STORE =
  /no space|disk|\bI\/?O\b|input\/output|too large|permission|read-only|could not (read|write|open|sync|flush|truncate|move|remove|set lock|seek|create)|cannot (read|write|open)|failed to (read|write|open|sync|flush|create checkpoint|commit)|checkpoint|WAL|invalidated|corrupt|checksum|interrupt|clos(ed|ing)|not open|connection|transaction context|conflict|lock/i;

export function causeOf(error: unknown): FailureCause {
  const text = reasonOf(error);
  if (MEMORY.test(text)) return "memory";
  return STORE.test(text) ? "store" : "rows";
}
