import { expect, test } from "vitest";
import { keysOf } from "../domain/keys-of.ts";
import type { StoreKind } from "./common/store-kind.ts";
import { STORE_NAMES, STORES, type StoreName, storeConfigSchema, storeEntrySchema } from "./stores.ts";
import { duckdbUnderTest } from "./testing/duckdb-under-test.ts";
import { influxdbUnderTest } from "./testing/influxdb-under-test.ts";
import { describeStoreContract, type StoreUnderTest } from "./testing/store-contract.ts";

/** How to start each kind, empty. A missing kind does not compile. */
const UNDER_TEST: Readonly<Record<StoreName, () => Promise<StoreUnderTest>>> = {
  duckdb: duckdbUnderTest,
  influxdb: influxdbUnderTest,
};

for (const name of keysOf(UNDER_TEST)) describeStoreContract(STORES[name], UNDER_TEST[name]);

test.each(STORE_NAMES)("%s has the same settings in weir.yaml and in its configuration, but for secrets", (name) => {
  const { entry, config }: StoreKind = STORES[name];
  const places = (keys: readonly string[]) => keys.map((key) => key.replace(/_(env|file)$/, ""));
  expect(new Set(places(Object.keys(entry.shape)))).toEqual(new Set(places(Object.keys(config.shape))));
});

test("an entry and a configuration name exactly one kind", () => {
  for (const schema of [storeEntrySchema(), storeConfigSchema()]) {
    expect(schema.safeParse({ duckdb: {} }).success).toBe(true);
    for (const other of [{}, { sqlite: {} }, { duckdb: {}, influxdb: {} }, { duckdb: { tables: 1 } }]) {
      expect(schema.safeParse(other).success).toBe(false);
    }
  }
});
