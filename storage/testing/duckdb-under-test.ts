import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { AlertChange } from "../../domain/alert.ts";
import type { Reading, ValueKind } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { duckdbSchema } from "../duckdb/config.ts";
import { DUCKDB } from "../duckdb/duckdb.ts";
import type { StoreOracle } from "./given.ts";
import type { StoreUnderTest } from "./store-contract.ts";
import { storeDeps, temporaryFolder } from "./testing.ts";

/** Reads a copy of the file with plain SQL over the views. */
function sqlOracle(file: string): StoreOracle {
  async function rows(sql: string, value: string) {
    const { copyFile, rm } = await import("node:fs/promises");
    const copy = `${file}.copy`;
    await copyFile(file, copy);
    await copyFile(`${file}.wal`, `${copy}.wal`).catch(() => rm(`${copy}.wal`, { force: true }));
    const instance = await DuckDBInstance.create(copy);
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(sql, [value]);
    connection.closeSync();
    instance.closeSync();
    await rm(copy, { force: true });
    await rm(`${copy}.wal`, { force: true });
    return reader.getRowObjects();
  }
  return {
    async readings(device) {
      const found = await rows("SELECT *, epoch_us(time)::DOUBLE AS us FROM readings WHERE device = $1", device);
      return found.map((row): Reading => {
        const kind = row.kind as ValueKind;
        const value = kind === "string" ? String(row.text) : kind === "boolean" ? row.value === 1 : Number(row.value);
        const tags = JSON.parse(String(row.tags));
        return { device: String(row.device), metric: String(row.metric), tags, atUs: Number(row.us), value };
      });
    },
    async windows(rule) {
      const found = await rows(
        `SELECT labels, epoch_us(start_time)::DOUBLE AS start_us, epoch_us(end_time)::DOUBLE AS end_us, revision,
          to_json(list([to_json(aggregate), coalesce(to_json(text), to_json(value))]))::VARCHAR AS "values"
        FROM windows WHERE rule = $1 GROUP BY ALL`,
        rule,
      );
      return found.map((row): WindowResult => {
        const values = JSON.parse(String(row.values)) as [string, number | string | null][];
        return {
          rule,
          labels: JSON.parse(String(row.labels)),
          startUs: Number(row.start_us),
          endUs: Number(row.end_us),
          revision: Number(row.revision),
          aggregates: Object.fromEntries(values.filter(([, value]) => value !== null)) as WindowResult["aggregates"],
        };
      });
    },
    async alerts(rule) {
      const found = await rows("SELECT change FROM alerts WHERE rule = $1", rule);
      return found.map(({ change }): AlertChange => JSON.parse(String(change)));
    },
  };
}

export async function duckdbUnderTest(): Promise<StoreUnderTest> {
  const folder = await temporaryFolder();
  const config = duckdbSchema.parse({ file: join(folder.path, "history.duckdb") });
  const deps = storeDeps();
  return { open: () => DUCKDB.open(config, deps), oracle: sqlOracle(config.file), stop: () => folder.remove() };
}
