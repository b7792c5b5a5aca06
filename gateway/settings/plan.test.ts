import { expect, it } from "vitest";
import { pipelineConfigSchema } from "./pipeline-config.ts";
import { storesOf } from "./plan.ts";
import { readSettings } from "./settings.ts";

const INFLUX = { url: "http://influx:8086", org: "o", bucket: "b", token_env: "INFLUX" };
const FLAGS = { influxUrl: "http://other:8086", influxToken: "t", influxOrg: "o2", influxBucket: "b2" };

/** Each store by its kind and its place. */
function storesWith(stores: readonly object[] | undefined, flags: Record<string, string> = {}): string[] {
  const config = pipelineConfigSchema.parse(stores === undefined ? {} : { storage: { stores } });
  const settings = readSettings({ ...flags, dataDir: "/data" }, {});
  return storesOf(settings, config, { INFLUX: "secret" }).map((store) => {
    return "duckdb" in store ? store.duckdb.file : `${store.influxdb.url} ${store.influxdb.token}`;
  });
}

it("every entry of storage.stores is a store, in order", () => {
  expect(storesWith(undefined)).toEqual(["/data/history.duckdb"]);
  const stores = [{ influxdb: INFLUX }, { duckdb: {} }, { duckdb: { file: "/b.duckdb" } }];
  expect(storesWith(stores)).toEqual(["http://influx:8086 secret", "/data/history.duckdb", "/b.duckdb"]);
});

it("flags complete the first InfluxDB, or replace the stores of a file without one", () => {
  expect(storesWith([{ duckdb: {} }], FLAGS)).toEqual(["http://other:8086 t"]);
  const stores = [{ duckdb: {} }, { influxdb: INFLUX }, { influxdb: { ...INFLUX, bucket: "c" } }];
  expect(storesWith(stores, { influxUrl: "http://other:8086" })).toEqual([
    "/data/history.duckdb",
    "http://other:8086 secret",
    "http://influx:8086 secret",
  ]);
});

it("two entries for one store are refused", () => {
  expect(() => storesWith([{ duckdb: {} }, { duckdb: { file: "/data/../data/history.duckdb" } }])).toThrow(
    "two entries of storage.stores are one store, DuckDB /data/history.duckdb; remove one of them, or change its place",
  );
  expect(() => storesWith([{ influxdb: INFLUX }, { influxdb: { ...INFLUX, url: "http://influx:8086/" } }])).toThrow(
    "are one store, InfluxDB http://influx:8086/ o b",
  );
});
