import type { z } from "zod";
import type { Environment } from "../../platform/files/secret-values.ts";
import type { Log } from "../../platform/log/port.ts";
import type { StorageEvents } from "./events.ts";
import type { OpenedStore } from "./store.ts";

/** The dependencies of a store. */
export interface StoreDeps {
  readonly log: Log;
  readonly events: StorageEvents;
  readonly nowUs: () => number;
  /** Number of series whose names may be kept in memory. */
  readonly seriesMax: number;
}

/** The sources that complete an entry of `storage.stores`. */
export interface StoreGivens {
  readonly dataDir: string;
  /** Where to look up secrets. */
  readonly environment: Environment;
  /** Values of command line flags and variables, by field name; they override the file. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

export type Resolved<Config = unknown> =
  | { readonly kind: "complete"; readonly config: Config }
  /** Required fields that neither the file nor a flag sets. */
  | { readonly kind: "incomplete"; readonly missing: readonly string[] };

/** One kind of store: an entry of the table in `stores.ts`. */
export interface StoreKind {
  /** As messages name it: `DuckDB`. */
  readonly title: string;
  /** Description in the reference of `weir.yaml`. */
  readonly doc: string;
  /** False for a write-only store: it has no history to query. */
  readonly hasHistory: boolean;
  /** Schema of an entry of `storage.stores` in `weir.yaml`. Flags, variables and secrets may supply its fields. */
  readonly entry: z.ZodObject;
  /** Everything that `open` needs, as plain data: it is copied to the service's thread. */
  readonly config: z.ZodObject;
  /** `entry` is undefined when flags alone choose this store. */
  resolve(entry: unknown, givens: StoreGivens): Resolved;
  /** Where the store is: equal for two configurations of one store. */
  place(config: unknown): string;
  /**
   * Loads the store's code and opens it. Waits for an unavailable server; rejects when the store cannot be used at
   * all.
   */
  open(config: unknown, deps: StoreDeps): Promise<OpenedStore>;
  /** For `weir doctor`: checks whether the store can be used now, without changing it. Rejects with the problem. */
  check(config: unknown): Promise<string>;
}
