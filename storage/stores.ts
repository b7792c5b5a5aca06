import { z } from "zod";
import { keysOf } from "../domain/keys-of.ts";
import type { OpenedStore } from "./common/store.ts";
import type { Resolved, StoreDeps, StoreGivens, StoreKind } from "./common/store-kind.ts";
import { DUCKDB } from "./duckdb/duckdb.ts";
import { INFLUXDB } from "./influx/influxdb.ts";

/**
 * Every kind of store. The entries of `storage.stores` in `weir.yaml`, the service, `weir doctor` and the conformance
 * suite derive from this table: a new kind is its folder, a line here, and in `testing/` how to start one and read it by other means,
 * with a line in `stores.test.ts`.
 * The entries load a store's code only when it is opened.
 */
export const STORES = {
  duckdb: DUCKDB,
  influxdb: INFLUXDB,
} as const satisfies Readonly<Record<string, StoreKind>>;

export type StoreName = keyof typeof STORES;
export const STORE_NAMES = keysOf(STORES);
const LIST = new Intl.ListFormat("en-GB");

/** The chosen store with its complete configuration: `{ duckdb: { file: ... } }`. */
export type StoreConfig = {
  [Name in StoreName]: { readonly [Only in Name]: z.output<(typeof STORES)[Only]["config"]> };
}[StoreName];

/** An entry of `storage.stores`: one of the kinds. */
export type StoreEntry = { readonly [Name in StoreName]?: z.output<(typeof STORES)[Name]["entry"]> | undefined };

// Overloads, because the schemas are built from the table and their types derive from it.
export function storeEntrySchema(): z.ZodType<StoreEntry>;
export function storeEntrySchema(): z.ZodType {
  const kinds = Object.entries<StoreKind>(STORES).map(([name, { entry, doc }]) => [
    name,
    entry.optional().describe(doc),
  ]);
  return z
    .strictObject(Object.fromEntries(kinds))
    .refine((entry) => Object.values(entry).filter((value) => value !== undefined).length === 1, {
      error: `must be exactly one of ${LIST.format(STORE_NAMES)}`,
    });
}

export function storeConfigSchema(): z.ZodType<StoreConfig>;
export function storeConfigSchema(): z.ZodType {
  return z.union(Object.entries<StoreKind>(STORES).map(([name, { config }]) => z.strictObject({ [name]: config })));
}

/** The kind of an entry. */
export function nameOf(entry: StoreEntry): StoreName {
  const name = STORE_NAMES.find((each) => entry[each] !== undefined);
  if (name === undefined) throw new RangeError(`a store is one of ${LIST.format(STORE_NAMES)}`);
  return name;
}

/** Completes an entry with flags, variables and secrets. */
export function resolveStore(name: StoreName, entry: StoreEntry, givens: StoreGivens): Resolved<StoreConfig>;
export function resolveStore(name: StoreName, entry: StoreEntry, givens: StoreGivens): Resolved {
  const resolved = kindOf(name).resolve(entry[name], givens);
  return resolved.kind === "complete" ? { kind: "complete", config: { [name]: resolved.config } } : resolved;
}

/** Where a store is: equal for two configurations of one store. */
export function placeOf(config: StoreConfig): string {
  const [name, own] = only(config);
  return `${kindOf(name).title} ${kindOf(name).place(own)}`;
}

export async function openStore(config: StoreConfig, deps: StoreDeps): Promise<OpenedStore> {
  const [name, own] = only(config);
  return await kindOf(name).open(own, deps);
}

export async function checkStore(config: StoreConfig): Promise<string> {
  const [name, own] = only(config);
  return await kindOf(name).check(own);
}

function only(config: StoreConfig): readonly [string, unknown] {
  const [first] = Object.entries(config);
  if (first === undefined) throw new RangeError("no store is configured");
  return first;
}

function kindOf(name: string): StoreKind {
  const kinds: Readonly<Record<string, StoreKind>> = STORES;
  const kind = kinds[name];
  if (kind === undefined) throw new RangeError(`unknown store ${name}; the kinds are ${LIST.format(STORE_NAMES)}`);
  return kind;
}
