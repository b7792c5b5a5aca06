import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, it } from "vitest";
import { append } from "./append.ts";

it("rows of a failed transaction do not come back when their appender is garbage", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("CREATE TABLE t(name VARCHAR)");
  await connection.run("CREATE UNIQUE INDEX name ON t(name)");
  await connection.run("INSERT INTO t VALUES ('a')");
  for (const fail of [false, true]) {
    await connection.run("BEGIN");
    const appended = append(connection, "t", (appender) => {
      appender.appendVarchar(fail ? "b" : "a");
      appender.endRow();
      if (fail) throw new Error("half-way");
    });
    await expect(appended).rejects.toThrow(fail ? "half-way" : "Duplicate key");
    await connection.run("ROLLBACK");
  }
  await connection.run("DROP INDEX name");
  await connection.run("BEGIN");
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  await new Promise((resolve) => setImmediate(resolve));
  await connection.run("COMMIT");
  expect((await connection.runAndReadAll("SELECT name FROM t")).getRows()).toEqual([["a"]]);
  connection.closeSync();
  instance.closeSync();
});
