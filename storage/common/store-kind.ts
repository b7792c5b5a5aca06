import type { z } from "zod";
import type { Environment } from "../../platform/files/secret-values.ts";
import type { Log } from "../../platform/log/port.ts";
import type { StorageEvents } from "./events.ts";
import type { OpenedStore } from "./store.ts";

/** What a store gets when it is opened. */
export interface StoreDeps {
  readonly log: Log;
  readonly events: StorageEvents;
  readonly nowUs: () => number;
  /** Series whose names may be kept in memory. */
  readonly seriesMax: number;
}

/** What completes an entry of `storage.stores`. */
export interface StoreGivens {
  readonly dataDir: string;
  /** Where secrets are. */
  readonly environment: Environment;
  /** From command line flags and variables, by the name of the field; they win over the file. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

export type Resolved<Config = unknown> =
  | { readonly kind: "complete"; readonly config: Config }
  /** Fields that neither the file nor a flag gives. */
  | { readonly kind: "incomplete"; readonly missing: readonly string[] };

/** One kind of store: an entry of the table in `stores.ts`. */
export interface StoreKind {
  /** For messages: `DuckDB`. */
  readonly title: string;
  /** For the reference of `weir.yaml`. */
  readonly doc: string;
  /** False for a store that can only be written to: nobody can query the past then. */
  readonly hasHistory: boolean;
  /** An entry of `storage.stores` in `weir.yaml`, whose fields may be left to flags, variables and secrets. */
  readonly entry: z.ZodObject;
  /** Everything that `open` needs, as plain data: it is copied to the service's thread. */
  readonly config: z.ZodObject;
  /** `entry` is undefined when flags alone choose this store. */
  resolve(entry: unknown, givens: StoreGivens): Resolved;
  /** Loads the store's code and opens it. Rejects when it cannot be used at all; waits for a server that is away. */
  open(config: unknown, deps: StoreDeps): Promise<OpenedStore>;
  /** For `weir doctor`: whether the store can be used now, without changing it. Rejects with what is wrong. */
  check(config: unknown): Promise<string>;
}
