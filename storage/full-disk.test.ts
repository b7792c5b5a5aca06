import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, it } from "vitest";
import { temporaryFolder } from "./testing/testing.ts";

const CHILD = fileURLToPath(new URL("./testing/full-disk-child.ts", import.meta.url));
const RUN = `const { runnerImport } = await import('vite'); await runnerImport('${CHILD}', { configFile: false })`;

/** The report of a storage service whose files cannot grow beyond this number of blocks of 512 bytes or 1 KiB. */
async function run(file: string, blocks: string): Promise<Record<string, unknown>> {
  const command = `ulimit -f ${blocks}; exec "$0" --input-type=module -e "$1" "$2"`;
  const { stdout } = await promisify(execFile)("sh", ["-c", command, process.execPath, RUN, file]);
  return JSON.parse(stdout);
}

it("a disk without space never turns rows into dead letters: they wait in the log, and are all stored later", async () => {
  const folder = await temporaryFolder();
  const file = join(folder.path, "history.duckdb");
  const full = await run(file, "2000");
  expect(full).toMatchObject({ deadLetters: 0, letters: 0, ready: false });
  expect(full.points).toBeGreaterThan(0);
  expect(full.points).toBeLessThan(30_000);
  expect(full.failures).toEqual([expect.stringContaining("File too large")]);
  const later = await run(file, "unlimited");
  expect(later).toMatchObject({ deadLetters: 0, letters: 0, ready: true, failures: [] });
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const sql = "SELECT count(*)::INTEGER, count(DISTINCT time)::INTEGER, count(DISTINCT text)::INTEGER FROM readings";
  expect((await connection.runAndReadAll(sql)).getRows()).toEqual([[30_000, 30_000, 30_000]]);
  connection.closeSync();
  instance.closeSync();
  await folder.remove();
}, 300_000);
