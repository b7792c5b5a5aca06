import { join, resolve } from "node:path";
import type { Resolved, StoreDeps, StoreGivens, StoreKind } from "../common/store-kind.ts";
import { type DuckdbConfig, type DuckdbEntry, duckdbEntrySchema, duckdbSchema } from "./config.ts";

export const DUCKDB = {
  title: "DuckDB",
  doc: "DuckDB, embedded: a file on this machine.",
  hasHistory: true,
  entry: duckdbEntrySchema,
  config: duckdbSchema,

  resolve(entry: DuckdbEntry | undefined, { dataDir }: StoreGivens): Resolved<DuckdbConfig> {
    const given = entry ?? duckdbEntrySchema.parse({});
    return { kind: "complete", config: { ...given, file: given.file ?? join(dataDir, "history.duckdb") } };
  },

  place: ({ file }: DuckdbConfig): string => resolve(file),

  async open(config: DuckdbConfig, { seriesMax, events, log, nowUs }: StoreDeps) {
    const { openDuckdbStore } = await import("./duckdb-store.ts");
    const store = await openDuckdbStore({ config, seriesMax, events, log, nowUs });
    return { writer: store, history: store };
  },

  async check({ file }: DuckdbConfig): Promise<string> {
    return `embedded DuckDB in ${file}`;
  },
} as const satisfies StoreKind;
