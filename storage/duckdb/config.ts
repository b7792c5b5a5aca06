import { z } from "zod";
import { sizeField } from "../../platform/files/schemas.ts";

const FILE = "The database file. Only one process at a time can open it.";

export const duckdbSchema = z.strictObject({
  file: z.string().min(1).default(".weir/history.duckdb").describe(FILE),
  memory_max: sizeField("64MiB", "1TiB").prefault("256MiB").describe("Memory that DuckDB may use."),
  threads: z.int().min(1).max(256).default(2).describe("Threads that DuckDB may use."),
});

export type DuckdbConfig = z.output<typeof duckdbSchema>;

/** As in `weir.yaml`, where `file` defaults to a path in the data folder. */
export const duckdbEntrySchema = duckdbSchema.extend({
  file: z.string().min(1).optional().describe(`${FILE} Default: \`history.duckdb\` in the data folder.`),
});

export type DuckdbEntry = z.output<typeof duckdbEntrySchema>;
